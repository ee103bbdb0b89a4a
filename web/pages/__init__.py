"""Pages for people: HTML made on the server, from the files in web/templates and web/static."""
