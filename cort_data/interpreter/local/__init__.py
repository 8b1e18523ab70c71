"""The `local` backend: every session is a process of its own on this machine, forked with the libraries loaded."""
