"""A rebuild: the tables that follow from the log, made anew beside the live ones.

Life of a rebuild (`run.Rebuild`):

1. `tables`: fresh tables in the schema `aggregator_rebuild`, by the text of `schema.sql`.
2. `replay`: the log from its beginning up to what the live tables hold, by the functions that the
   consumer uses; rows and offsets in one transaction, so that a killed run goes on where it was.
3. `compare`: facts with facts, and everybody's competencies decided anew from the fresh facts
   with what stands. What differs is a suspect until it is looked at in 4.
4. `exchange`: consumers are held, the last records are replayed, suspects are looked at again at
   equal places in the log, and the tables change schemas, in one transaction. Decisions that
   differ are marked: the evaluators decide them by the ordinary road, so that the history goes on
   with the next ordinal and only differences are told.
"""
