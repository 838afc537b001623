"""Look-ups that change nothing: stories, held jobs, dead letters, groups, workers.

Every function takes a `Link`, asks in bounded pages and answers with frozen values, ids as bytes.
"""
