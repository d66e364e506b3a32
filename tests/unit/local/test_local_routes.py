import pytest

from local.routes import Route, RouteTable, read_routes, request_path
from local.worker import Function


def function(name: str, route: str | None, *methods: str) -> Function:
    return Function(name, {"type": "httpTrigger", "name": "req", "route": route, "methods": list(methods)})


def table(*functions: Function, prefix: str = "") -> RouteTable[str]:
    routes = read_routes(functions, prefix, lambda value: value.replace("%PART%", "resolved"))
    return RouteTable(routes, lambda route, _: route.function.name)


def test_first_by_name_wins_even_over_a_literal() -> None:
    found = table(function("b_stats", "files/stats", "GET"), function("a_by_id", "files/{id}", "GET"))
    assert found.find("GET", "/files/stats") == "a_by_id"


def test_a_literal_wins_when_its_name_comes_first() -> None:
    found = table(function("z_by_id", "files/{id}", "GET"), function("a_stats", "files/stats", "GET"))
    assert found.find("GET", "/files/stats") == "a_stats"
    assert found.find("GET", "/files/7") == "z_by_id"


def test_names_are_ordered_without_case() -> None:
    found = table(function("Zed", "{x}"), function("apple", "{y}"))
    assert found.find("GET", "/anything") == "apple"


@pytest.mark.parametrize("path", ["/api/Files/9", "/API/files/9/", "/api/fILES/%C3%A9"])
def test_matching_ignores_case_and_one_trailing_slash(path: str) -> None:
    assert table(function("f", "Files/{id}", "GET"), prefix="api").find("GET", path) == "f"


@pytest.mark.parametrize("path", ["/files", "/files/", "/files/a/b", "/xfiles/a", "/files//", "/"])
def test_a_parameter_is_one_segment_and_not_empty(path: str) -> None:
    assert table(function("f", "files/{id}")).find("GET", path) is None


def test_a_method_that_does_not_fit_leads_on() -> None:
    found = table(function("a", "x", "GET"), function("b", "x", "POST"), function("z", "{*path}"))
    assert (found.find("GET", "/x"), found.find("POST", "/x"), found.find("DELETE", "/x")) == ("a", "b", "z")
    assert found.find("PROPFIND", "/x") == "z"


@pytest.mark.parametrize("path", ["/", "/a", "/a/b/c", "/a/b/", "//"])
def test_a_catch_all_takes_everything(path: str) -> None:
    assert table(function("z", "{*path}")).find("GET", path) == "z"


def test_optional_and_mixed_segments() -> None:
    found = table(function("a", "v/{name?}"), function("b", "img/{name}.png"))
    assert (found.find("GET", "/v"), found.find("GET", "/v/x"), found.find("GET", "/img/a.b.png")) == ("a", "a", "b")
    assert found.find("GET", "/img/.jpg") is None


def test_no_route_means_the_functions_name_and_settings_are_resolved() -> None:
    found = table(function("plain", None), function("other", "x/%PART%"), prefix="api")
    assert (found.find("GET", "/api/plain"), found.find("GET", "/api/x/resolved")) == ("plain", "other")


def test_constraints_are_refused_rather_than_ignored() -> None:
    with pytest.raises(ValueError, match="constraint"):
        table(function("f", "files/{id:int}"))


def test_parameters_are_read_from_the_path() -> None:
    seen = {}

    def target(route: Route, params: object) -> str:
        seen[route.function.name] = params
        return route.function.name

    RouteTable(read_routes([function("f", "a/{x}/{*rest}")], "", str), target)
    assert seen["f"]("/A/1/b/c") == {"x": "1", "rest": "b/c"}  # type: ignore[operator]  # a reader of parameters
    assert seen["f"]("/elsewhere") == {}  # type: ignore[operator]  # a reader of parameters


def test_no_functions_match_nothing() -> None:
    assert table().find("GET", "/") is None


def test_an_encoded_slash_divides_no_segments() -> None:
    assert request_path("/files/a/b c", b"/files/a%2fb%20c") == "/files/a%2Fb c"
    assert request_path("/files/é", b"/files/%C3%A9") == "/files/é"
