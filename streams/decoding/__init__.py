"""Messages into columns, one format a module, with the checks that all of them share."""
