"""What every service stands on: consume, produce, postgres, sql, serve, settings, metrics, logs.

Nothing here knows a service.
"""
