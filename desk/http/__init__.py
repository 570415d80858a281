"""What faces the browser: the application, its handlers, their description (OpenAPI) and the socket."""
