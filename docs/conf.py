"""How Sphinx makes the site of the pages that `common.report.site` writes."""

import contextlib
import importlib
import logging
from importlib.metadata import files

import jinja2
import myst_nb.sphinx_ext
import numpydoc
from numpydoc import docscrape, docscrape_sphinx

project = "Paper artifacts"
copyright = "the paper-artifacts developers"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_design",
]

# Pages.
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
nb_execution_mode = "off"  # notebooks are shown as the workflow executed them
nb_merge_streams = True
# Pictures of notebooks. Left to itself, myst-nb 1.4 writes them into a folder beside the site.
myst_nb.sphinx_ext.OUTPUT_FOLDER = ".site/outputs"
suppress_warnings = ["misc.highlighting_failure", "myst.header", "mystnb.unknown_mime_type"]
# References of a docstring need not be cited in it, and every module may have a heading for them.
suppress_warnings += ["ref.citation", "docutils"]
# braindecode adds to the docstring of a network what refers to its own pages.
suppress_warnings += ["ref.ref"]

# Library.
autodoc_typehints = "none"  # docstrings have them
autodoc_use_type_comments = False
# What scikit-learn adds to a class, with references to its own pages.
autodoc_default_options = {
    "exclude-members": "set_fit_request, set_predict_request, set_score_request, "
    "set_transform_request, set_partial_fit_request, set_inverse_transform_request, "
    "set_predict_proba_request, set_decision_function_request, get_metadata_routing"
}
autosummary_generate = False
_numpydoc_templates = jinja2.Environment(loader=jinja2.PackageLoader("numpydoc"))
default_role = "py:obj"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# Formulas: one script that comes with the site, and needs no font from a network or a folder.
mathjax_path = "tex-svg.js"

# Looks.
html_theme = "pydata_sphinx_theme"
html_title = "Paper artifacts"
html_favicon = "static/icon.svg"  # browsers ask a server for one
html_static_path = [
    "static",
    *(str(each.locate()) for each in files("sphinx-mathjax-offline") if each.name == mathjax_path),
]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
html_copy_source = False
html_show_sourcelink = False
html_sidebars = {"index": [], "scoreboard": [], "data": []}
html_theme_options = {
    "collapse_navigation": True,
    "logo": {"text": html_title},
    "navigation_with_keys": False,  # the arrows scroll
    "navbar_persistent": ["search-button-field"],
    "show_prev_next": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}


def setup(app):
    numpydoc.setup(app, _docstring)
    # Many modules have a heading "References", which no page refers to by its name.
    logging.getLogger("sphinx.sphinx.domains.std").addFilter(
        lambda record: "duplicate label" not in record.msg or record.args[:1] != ("references",)
    )
    app.connect("env-before-read-docs", _import_once)


def _docstring(obj, what=None, doc=None, config=None, builder=None):
    """Docstring as numpydoc shows it, whose own function compiles the template for each of them."""
    template = _numpydoc_templates.get_template("numpydoc_docstring.rst")
    return docscrape.get_doc_object(
        obj,
        what,
        doc,
        (config or {}) | {"template": template},
        class_doc=docscrape_sphinx.SphinxClassDoc,
        func_doc=docscrape_sphinx.SphinxFunctionDoc,
        obj_doc=docscrape_sphinx.SphinxObjDoc,
    )


def _import_once(app, env, docnames):
    """Import what pages of the library document: each of the processes would do it again."""
    for name in docnames:
        if name.startswith("library/common"):
            with contextlib.suppress(ImportError):  # autodoc says it
                importlib.import_module(name.removeprefix("library/"))
