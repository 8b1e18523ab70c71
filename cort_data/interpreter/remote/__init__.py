"""The `remote` backend, and the server that it uses: sessions of the local backend over HTTP."""
