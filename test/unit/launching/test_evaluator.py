"""Launch file → processes, and errors with file and line.

That the values are those of the real ``ros2 launch`` is checked by test/launch/test_real_ros2_launch.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from zoox_stack.launching.errors import LaunchFileError
from zoox_stack.launching.evaluator import declared_arguments, load_launch_file
from zoox_stack.launching.model import Output, ParameterFile, ProcessDescription

DATA = Path(__file__).resolve().parents[2] / "data" / "launch"
WriteLaunch = Callable[[str], Path]


def said(file: Path, **arguments: str) -> dict[str, str]:
    """Arguments of each process after its executable, by label without number."""
    processes = load_launch_file(file, arguments).processes
    return {p.name.rpartition("-")[0]: " ".join(map(str, _own_arguments(p))) for p in processes}


def _own_arguments(process: ProcessDescription) -> list[str | ParameterFile]:
    words = list(process.command)
    if "--ros-args" in words:
        words = words[: words.index("--ros-args")]
    return words[2:]  # interpreter and script


def only(file: Path, **arguments: str) -> ProcessDescription:
    (process,) = load_launch_file(file, arguments).processes
    return process


def test_includes_share_variables_and_groups_give_them_back(package: Path) -> None:
    assert package
    assert said(DATA / "scoping.launch.xml") == {
        "s1": "default_a not this root",
        "s2": "group x",
        "i1": "default_a second second then included",  # the last of three includes
        "i2": "included",
        "s3": "included from group",
        "s4": "root none none",
        "s5": "unscoped",
        "s6": "included default_b default_b and c",
    }
    numbers = [p.name.rpartition("-")[2] for p in load_launch_file(DATA / "scoping.launch.xml", {}).processes]
    assert numbers == [str(n + 1) for n in range(len(numbers))]


def test_a_given_value_wins_over_defaults_in_included_files(package: Path) -> None:
    assert package
    assert said(DATA / "scoping.launch.xml", a="1", b="2")["s6"] == "included 2 2 and c"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, {"c1", "c3", "c4", "c5", "c6", "c7", "c10"}),
        ({"yes": "0", "no": "1", "kind": "camera"}, {"c2", "c5", "c7", "c8", "c9", "c10"}),
    ],
)
def test_conditions(arguments: dict[str, str], expected: set[str], package: Path) -> None:
    assert package
    if arguments:
        arguments = arguments | {"never": "given"}
    assert said(DATA / "conditions.launch.xml", **arguments).keys() == expected


def test_environment(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert package
    monkeypatch.setenv("SHOW_OUTSIDE", "outside")
    processes = load_launch_file(DATA / "environment.launch.xml", {}).processes
    group = (("SHOW_A", "in group"), ("SHOW_OUTSIDE", None))
    assert [p.environment for p in processes] == [
        (),
        (("SHOW_A", "in group"), ("SHOW_B", "in group and more"), ("SHOW_OUTSIDE", None)),
        group,
        (),
        (("SHOW_A", "stays"),),
    ]


def test_node_command(package: Path) -> None:
    named = load_launch_file(DATA / "parameters.launch.xml", {}).processes[1].command
    assert named[:7] == (
        sys.executable, str(package / "lib/shower/show"), "--ros-args", "-r", "__node:=named", "-r", "__ns:=/space",
    )  # fmt: skip
    assert named[7:9] == ("--params-file", str(DATA / "parameters.yaml"))
    assert named[9] == "--params-file"
    assert isinstance(named[10], ParameterFile)
    assert yaml.safe_load(named[10].text) == {"/space/named": {"ros__parameters": {"after": "file"}}}
    assert named[11:] == ("-r", "a:=b", "-r", "c:=d")


def test_parameter_values(package: Path) -> None:
    assert package
    plain, _, substituted = load_launch_file(DATA / "parameters.launch.xml", {}).processes
    values: dict[str, object] = {}
    for part in plain.command:
        if isinstance(part, ParameterFile):
            values |= yaml.safe_load(part.text)["/**"]["ros__parameters"]
    assert values == {
        "a.int": 1, "float": 1.5, "typed_float": 3.0, "int": 3, "text": "3", "quoted": "12", "bool": True,
        "typed_bool": True, "words": "some words", "empty": "", "list": [1, 2, 3], "texts": ["a", "b c"],
        "floats": [1.5, 2.5], "outer.inner": 7, "outer.deep.est": "x",
    }  # fmt: skip
    assert isinstance(values["typed_float"], float)
    (file,) = (part for part in substituted.command if isinstance(part, ParameterFile))
    assert yaml.safe_load(file.text) == {"/**": {"ros__parameters": {"number": 3, "text": "some words"}}}


def test_namespaces_and_parameters_for_all(package: Path) -> None:
    assert package
    processes = load_launch_file(DATA / "namespaces.launch.xml", {}).processes
    found = {p.name: [w for w in p.command if isinstance(w, str) and w.startswith("__ns")] for p in processes}
    assert found == {
        "n1-1": [], "n2-2": ["__ns:=/car"], "n3-3": ["__ns:=/car/front"], "n4-4": ["__ns:=/absolute"],
        "n5-5": ["__ns:=/car/deeper"], "n6-6": ["__ns:=/car"], "n7-7": [], "n8-8": [],
    }  # fmt: skip
    words = [w for w in processes[6].command if isinstance(w, str)]
    assert words[5:] == ["-p", "use_sim_time:=true", "-p", "speed:=2.5", "-p", "name:=word", "--params-file"]
    assert "-p" not in processes[7].command


def test_process_options(launch_file: WriteLaunch, tmp_path: Path) -> None:
    process = only(
        launch_file(
            f"<executable cmd='sleep 1' name='nap' cwd='{tmp_path}' output='both' respawn='true' respawn_delay='0.5'"
            " respawn_max_retries='3' on_exit='shutdown' sigterm_timeout='1' sigkill_timeout='2'"
            " launch-prefix='nice -n 5'/>"
        )
    )
    assert process.command == ("nice", "-n", "5", "sleep", "1")
    assert (process.name, process.cwd, process.output) == ("nap-1", str(tmp_path), Output.BOTH)
    assert (process.respawn, process.respawn_delay, process.respawn_max_retries) == (True, 0.5, 3)
    assert (process.shutdown_on_exit, process.sigterm_timeout, process.sigkill_timeout) == (True, 1.0, 2.0)
    assert process.location.line == 2


def test_output_override(launch_file: WriteLaunch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERRIDE_LAUNCH_PROCESS_OUTPUT", "both")
    assert only(launch_file("<executable cmd='true' output='screen'/>")).output is Output.BOTH


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        ("<nod pkg='shower' exec='show'/>", 2, "<launch> cannot hold <nod> (did you mean node?)"),
        ("\n<timer period='1'/>", 3, "known to ros2 launch, but not to zoox-stack launch"),
        ("<node pkg='shower' exec='show' nme='x'/>", 2, "<node> has no attribute 'nme' (did you mean name?)"),
        ("<node pkg='shower'/>", 2, "<node> lacks the attribute 'exec'"),
        ("<group>\n<node pkg='shower' exec='show'>\n<parm name='x'/></node></group>", 4, "did you mean param?"),
        ("<group if='0'>\n<nonsense/></group>", 3, "<group> cannot hold <nonsense>"),
        ("<node pkg='shwer' exec='show'/>", 2, "package 'shwer' not found"),
        ("<node pkg='shower' exec='shw'/>", 2, "has no executable 'shw'"),
        ("<node pkg='shower' exec='show' name='1a'/>", 2, "not a node name"),
        ("<node pkg='shower' exec='show' namespace='a b'/>", 2, "not a ROS namespace"),
        ("<arg name='x'/>", 2, "argument 'x' has no value"),
        ("<arg name='x' default='c'>\n<choice value='a'/></arg>", 2, "argument 'x' is 'c', allowed are a"),
        ("<let name='x' value='$(var y)'/>", 2, "$(var y): no such argument or variable"),
        ("<let name='x' value='$(env SHOW_NOT_SET)'/>", 2, "SHOW_NOT_SET is not set"),
        ("<let name='x' value='$(va y)'/>", 2, "did you mean var?"),
        ("<let name='x' value='$(var y'/>", 2, "closing )"),
        ("<let if='maybe' name='x' value='y'/>", 2, "expected true, 1, false or 0, found 'maybe'"),
        ("<let if='1' unless='1' name='x' value='y'/>", 2, "both 'if' and 'unless'"),
        ("<include file='missing.launch.xml'/>", 2, "no such launch file"),
        ("<include file='stack.launch.py'/>", 2, "no such launch file"),
        ("<node pkg='shower' exec='show'>\n<param name='x' value='a' type='int'/></node>", 3, "expected int"),
        ("<node pkg='shower' exec='show'>\n<param name='x' value='a' type='in'/></node>", 3, "did you mean int?"),
        ("<node pkg='shower' exec='show'>\n<param name='x'/></node>", 3, "needs either 'value' or nested"),
        ("<node pkg='shower' exec='show'>\n<param value='1'/></node>", 3, "needs either 'name' or 'from'"),
        ("<node pkg='shower' exec='show'>\n<param from='/no/such.yaml'/></node>", 3, "cannot be read"),
        ("<node pkg='shower' exec='show'>\n<param name='x' value='[1, a]'/></node>", 3, "list of one type"),
        ("<node pkg='shower' exec='show'>\n<param name='x' value='{a: 1}'/></node>", 3, "expected text, a number"),
        ("<node pkg='shower' exec='show' respawn_delay='-1'/>", 2, "a number of seconds"),
        ("<node pkg='shower' exec='show' respawn_delay='$(var x)'/>", 2, "without substitutions"),
        ("<node pkg='shower' exec='show' respawn='perhaps'/>", 2, "expected true"),
        ("<node pkg='shower' exec='show' output='scren'/>", 2, "did you mean screen?"),
        ("<node pkg='shower' exec='show' on_exit='explode'/>", 2, "on_exit: expected 'shutdown'"),
        ("<executable cmd=''/>", 2, "cmd is empty"),
        ("<executable cmd='true' cwd='/no/such/folder'/>", 2, "no such directory"),
        ("<group scoped='perhaps'/>", 2, "expected true or false, found 'perhaps'"),
        ("some text", 2, "text 'some text' inside <launch>"),
        ("<group>", 3, "not well-formed XML: mismatched tag"),
        ("<node exec='a' exec='b'/>", 2, "not well-formed XML: duplicate attribute"),
    ],
)  # fmt: skip
def test_errors_name_file_and_line(
    content: str, line: int, problem: str, launch_file: WriteLaunch, package: Path
) -> None:
    assert package
    path = launch_file(content)
    with pytest.raises(LaunchFileError) as error:
        load_launch_file(path, {})
    assert f"{path}:{line}: " in str(error.value)
    assert problem in str(error.value)


def test_errors_of_included_files_name_that_file(launch_file: WriteLaunch, tmp_path: Path) -> None:
    inner = tmp_path / "inner.launch.xml"
    inner.write_text("<launch>\n\n<lett name='a' value='b'/></launch>")
    with pytest.raises(LaunchFileError) as error:
        load_launch_file(launch_file("<include file='$(dirname)/inner.launch.xml'/>"), {})
    assert f"{inner}:3: " in str(error.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "no element"), (b"<robot/>", "expected <launch>"), (b"<launch>\xff</launch>", "not well-formed"),
     (b"<!DOCTYPE launch []><launch/>", "DOCTYPE"),
     (b"<?xml version='1.0' encoding='nonsense'?><launch/>", "unknown encoding")],
)  # fmt: skip
def test_wrong_files(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.launch.xml"
    path.write_bytes(content)
    with pytest.raises(LaunchFileError, match=problem):
        load_launch_file(path, {})


def test_python_launch_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "stack.launch.py"
    path.touch()
    with pytest.raises(LaunchFileError, match="not an XML launch file"):
        load_launch_file(path, {})


def test_a_file_that_includes_itself(launch_file: WriteLaunch) -> None:
    with pytest.raises(LaunchFileError, match="does a file include itself"):
        load_launch_file(launch_file("<include file='$(dirname)/test.launch.xml'/>"), {})


def test_unknown_arguments_are_refused(launch_file: WriteLaunch) -> None:
    path = launch_file("<arg name='rate' default='1'/>")
    with pytest.raises(LaunchFileError, match=r"has no argument 'rat' \(did you mean rate\?\)"):
        load_launch_file(path, {"rat": "2"})


def test_a_missing_argument_tells_of_a_similar_one_given(launch_file: WriteLaunch) -> None:
    path = launch_file("<arg name='bag' description='what to play'/>")
    with pytest.raises(LaunchFileError, match=r"bga:=… was given: meant bag\?; what to play"):
        load_launch_file(path, {"bga": "x"})


def test_unknown_arguments_of_includes_are_refused(launch_file: WriteLaunch, tmp_path: Path) -> None:
    (tmp_path / "inner.launch.xml").write_text("<launch><arg name='rate' default='1'/></launch>")
    path = launch_file("<include file='$(dirname)/inner.launch.xml'>\n<arg name='rte' value='2'/></include>")
    with pytest.raises(LaunchFileError, match=r"3: inner.launch.xml has no argument 'rte' \(did you mean rate\?\)"):
        load_launch_file(path, {})


def test_required_arguments_of_includes_must_be_given_there(launch_file: WriteLaunch, tmp_path: Path) -> None:
    (tmp_path / "inner.launch.xml").write_text("<launch><arg name='bag'/></launch>")
    variable = "<let name='bag' value='x'/>"
    given = "<arg name='bag' value='$(var bag)'/>"
    load_launch_file(launch_file(f"{variable}<include file='$(dirname)/inner.launch.xml'>{given}</include>"), {})
    with pytest.raises(LaunchFileError, match=r"does not give inner\.launch\.xml's argument 'bag'"):
        load_launch_file(launch_file(f"{variable}<include file='$(dirname)/inner.launch.xml'/>"), {})


def test_dirname_after_an_include_of_another_folder_is_refused(launch_file: WriteLaunch, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "other"):
        folder.mkdir(exist_ok=True)
        (folder / "inner.launch.xml").write_text("<launch/>")
    same = "<include file='$(dirname)/inner.launch.xml'/>"
    load_launch_file(launch_file(same + "<let name='x' value='$(dirname)'/>"), {})
    other = "<include file='$(dirname)/other/inner.launch.xml'/>\n<let name='x' value='$(dirname)'/>"
    with pytest.raises(
        LaunchFileError, match=r"3: <let>: \$\(dirname\) after, or in the arguments of, the <include> in line 2"
    ):
        load_launch_file(launch_file(other), {})


def test_declared_arguments_include_those_of_included_files(launch_file: WriteLaunch, tmp_path: Path) -> None:
    (tmp_path / "inner.launch.xml").write_text(
        "<launch><arg name='rate' description='d'/><arg name='given'/>"
        "<group if='1'><arg name='c' default='1'/></group></launch>"
    )
    path = launch_file(
        "<arg name='file' default='inner'/>"
        "<include file='$(dirname)/$(var file).launch.xml'><arg name='given' value='1'/></include>"
    )
    found = {a.name: (a.default, a.conditional) for a in declared_arguments(path)}
    assert found == {"file": ("inner", False), "rate": (None, False), "c": ("1", True)}
