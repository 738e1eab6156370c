"""What routes and services consist of, for programs that read them: `for step in route.steps: …`.

Owns no code: it names the public values of the room `_routes` that are not needed to write an app. `Route`, `SSE` and
the other builders are at the top of the package.
"""

from ._http.form_reader import FormLimits
from ._http.paths import Path
from ._routes.options import ShutdownPolicy
from ._routes.providers import Provider, Scope
from ._routes.steps import AnyOf, Guard, Lambda, ReadBody, ReadForm, ReadQuery, Step, Typed, Use
from ._routes.topic_stream import TopicSource, TopicStream

__all__ = (
    "AnyOf",
    "FormLimits",
    "Guard",
    "Lambda",
    "Path",
    "Provider",
    "ReadBody",
    "ReadForm",
    "ReadQuery",
    "Scope",
    "ShutdownPolicy",
    "Step",
    "TopicSource",
    "TopicStream",
    "Typed",
    "Use",
)
