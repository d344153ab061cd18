"""The Datasette plugin: reader pages over evidence.db, beside Datasette's own."""

from tracker.site.plugin import (
    asgi_wrapper,
    extra_css_urls,
    extra_template_vars,
    forbidden,
    get_metadata,
    handle_exception,
    permission_allowed,
    prepare_connection,
    prepare_jinja2_environment,
    register_output_renderer,
    register_routes,
    render_cell,
    startup,
)

__all__ = [
    "asgi_wrapper",
    "extra_css_urls",
    "extra_template_vars",
    "forbidden",
    "get_metadata",
    "handle_exception",
    "permission_allowed",
    "prepare_connection",
    "prepare_jinja2_environment",
    "register_output_renderer",
    "register_routes",
    "render_cell",
    "startup",
]
