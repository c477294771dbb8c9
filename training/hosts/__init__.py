"""One run on several hosts: they find each other, agree on what they train, and end together.

On each host the command is a supervisor, which imports neither Keras nor a backend, and a worker beside it, which
trains as on one host. The supervisors talk over plain sockets: the first host's listens at its address. They compare
what their workers are to train, and tell each other that they live; where one falls silent, says that it fails, or is
killed, all others end their workers too.
"""
