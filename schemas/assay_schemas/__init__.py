"""The words of Assay: what a statement, an event, a credential and a topic are.

Nothing here does I/O, and nothing here knows a service. Services meet in these words and in Kafka.
"""
