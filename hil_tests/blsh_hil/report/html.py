# SPDX-License-Identifier: Apache-2.0
"""The environment of templates of HTML pages."""

import jinja2


def html_environment(package: str, folder: str = "templates") -> jinja2.Environment:
    """Return the environment of the templates in a folder of `package`.

    An undefined name is an error; what a template is given is escaped.
    """
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package, folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
