"""Competency frameworks and roles: CASE 1.1 in and out, ESCO and O*NET in, CTDL-ASN out.

The modules `case_*`, `graph`, `roles`, `esco`, `onet` and `ctdl` are pure; `store` holds the
queries, `importing` the use cases, `api_case` and `api_frameworks` the routes.
"""
