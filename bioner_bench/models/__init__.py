"""What answers: packaged weights, token classifiers, the dictionary, chats, decoding with a shared prefix.

Nothing here trains, and nothing knows lm-eval; torch and transformers are imported by the modules that
need them.
"""
