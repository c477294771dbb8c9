"""Pages in Markdown and in HTML: what data may hold, and what a reader sees."""

import base64
import html.parser

import pytest

from tuning.report.writing import templates, tidy, to_html

NASTY = "a|b <script>alert(1)</script> & *c* _d_ [e](f)\n`g`"
PAGE = """{% from "blocks.md.j2" import picture, table %}
# Title \\<1>

**{{ nasty }}**

{{ table([["name", "n"], ["trainable_swish", "1,234 ± 5"], [nasty, "–"]]) }}

{{ table([["", ""], ["seed", "0"]]) }}

{{ picture("p", "what it shows") }}

```
python -m x > y
```
"""  # noqa: RUF001


class Reader(html.parser.HTMLParser):
    """Collects what a browser would show, and the tags."""

    def __init__(self):
        super().__init__()
        self.cells, self.tags, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open += [] if tag in ("meta", "img") else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and data.strip():
            self.cells.append((self.open[-1], data))


@pytest.fixture
def page() -> str:
    return tidy(templates().from_string(PAGE).render(nasty=NASTY))


@pytest.fixture
def reader(page) -> Reader:
    reader = Reader()
    reader.feed(to_html(page, {"p": b"picture"}))
    return reader


def test_markdown_keeps_text_from_being_markup(page):
    escaped = r"a\|b \<script>alert(1)\</script> \& \*c\* \_d\_ \[e\](f) \`g\`"
    assert page.split("\n\n") == [
        r"# Title \<1>",
        f"**{escaped}**",
        f"| name | n |\n| --- | ---: |\n| trainable_swish | 1,234 ± 5 |\n| {escaped} | – |",  # noqa: RUF001
        "|  |  |\n| --- | ---: |\n| seed | 0 |",
        "![what it shows](pictures/p.png)",
        "```\npython -m x > y\n```\n",
    ]


def test_html_shows_text_as_it_is(reader):
    assert reader.open == []
    one_line = NASTY.replace("\n", " ")
    shown = [(tag, text) for tag, text in reader.cells if tag != "style"]
    assert shown == [
        ("title", "Title <1>"),
        ("h1", "Title <1>"),
        ("strong", one_line),
        *(("th", name) for name in ("name", "n")),
        *(("td", text) for text in ("trainable_swish", "1,234 ± 5", one_line, "–", "seed", "0")),  # noqa: RUF001
        ("code", "python -m x > y\n"),
    ]


def test_html_needs_no_other_file(reader):
    sources = [attributes["src"] for tag, attributes in reader.tags if tag == "img"]
    assert sources == ["data:image/png;base64," + base64.b64encode(b"picture").decode()]
    assert not {"script", "link"} & {tag for tag, _ in reader.tags}
