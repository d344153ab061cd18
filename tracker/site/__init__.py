"""The Datasette plugin: reader pages over evidence.db, beside Datasette's own."""

from tracker.site.plugin import (
    actor_from_request,
    asgi_wrapper,
    extra_css_urls,
    extra_template_vars,
    forbidden,
    get_metadata,
    handle_exception,
    menu_links,
    permission_allowed,
    prepare_connection,
    prepare_jinja2_environment,
    register_output_renderer,
    register_routes,
    render_cell,
    roles_allow,
    startup,
)

__all__ = [
    "actor_from_request",
    "asgi_wrapper",
    "extra_css_urls",
    "extra_template_vars",
    "forbidden",
    "get_metadata",
    "handle_exception",
    "menu_links",
    "permission_allowed",
    "prepare_connection",
    "prepare_jinja2_environment",
    "register_output_renderer",
    "register_routes",
    "render_cell",
    "roles_allow",
    "startup",
]
