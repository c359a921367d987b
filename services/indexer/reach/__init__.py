"""Where the bytes of pictures may be: this machine, object stores, the web, archives."""
