"""Where pictures come from: folders, archives, manifests, object stores."""
