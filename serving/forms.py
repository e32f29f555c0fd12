"""Forms with files, as browsers, curl and OpenAI's clients send them."""

from __future__ import annotations

from collections.abc import Collection

from starlette.exceptions import HTTPException
from starlette.requests import Request

from serving.errors import MalformedRequestError

# Fields that are read before the form is given up; more than any path has.
_FIELDS = 64


async def read_form(
    request: Request, files: Collection[str], texts: Collection[str], most: int
) -> tuple[list[tuple[str, bytes]], dict[str, str]]:
    """Reads a form.

    Args:
        request: Of the type multipart/form-data.
        files: Names of fields that hold a file.
        texts: Names of the others, each at most once.
        most: Files.

    Returns:
        The name of the field and the bytes of each file, in order; and the texts.

    Raises:
        MalformedRequestError: for another field, an empty file, or what is no form.
    """
    contents: list[tuple[str, bytes]] = []
    fields: dict[str, str] = {}
    try:
        async with request.form(max_files=most, max_fields=_FIELDS) as form:
            for name, value in form.multi_items():
                if name in files and not isinstance(value, str):
                    contents.append((name, await value.read()))
                elif name in texts and name not in files and isinstance(value, str):
                    if name in fields:
                        raise MalformedRequestError(f"the form has the field {name} twice")
                    fields[name] = value
                else:
                    named = ", ".join(sorted(set(texts) - set(files)))
                    raise MalformedRequestError(
                        f"form fields are {' or '.join(files)} (a file), {named}; "
                        f"got {'a file' if not isinstance(value, str) else 'text'} "
                        f"as {name[:40]!r}"
                    )
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise MalformedRequestError(f"the form cannot be read: {error.detail}") from error
    for name, content in contents:
        if not content:
            raise MalformedRequestError(f"a file of the form is empty: {name}")
    return contents, fields
