"""HTTP: everything that reads over many people."""

from fastapi import APIRouter

from assay_aggregator.reading.api_aggregates import aggregate_routes
from assay_aggregator.reading.api_matrix import matrix_routes
from assay_aggregator.reading.api_measures import measure_routes
from assay_aggregator.reading.api_person import person_routes
from assay_aggregator.reading.exporting import Exports
from assay_aggregator.web import Api


def reading_routes(api: Api) -> APIRouter:
    """The matrix, gaps, what expires, the counts, the measures, and one person's summary."""
    exports = Exports(api.settings.exports_parallel_max, api.settings.export_cells_max)
    router = APIRouter()
    router.include_router(matrix_routes(api, exports))
    router.include_router(aggregate_routes(api, exports))
    router.include_router(measure_routes(api))
    router.include_router(person_routes(api))
    return router
