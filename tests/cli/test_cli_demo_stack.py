"""The demo against the whole product, running: `assay demo` comes true, once and again."""

from assay_testing import RunningStack


def test_the_demo_comes_true_and_a_second_run_doubles_nothing(stack: RunningStack) -> None:
    first = stack.assay("demo", "--seed", "5", "--learners", "14", seconds=300)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "was sent to this stack before" not in first.stdout
    assert "is withdrawn" in first.stdout
    assert "Every part of the story came true." in first.stdout
    again = stack.assay("demo", "--seed", "5", "--learners", "14", seconds=300)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "was sent to this stack before" in again.stdout
    assert "Every part of the story came true." in again.stdout
