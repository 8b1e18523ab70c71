"""cort: from seed traces and problems to models that reason with code. The public names are in the modules."""
