"""Sources of pictures: folders, archives, manifests, object stores."""
