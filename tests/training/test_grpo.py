"""GRPO: what is judged, and how an answer is weighed against its siblings."""

from pathlib import Path

import pytest

from registry.training.marks import judge

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.mark.parametrize(
    ("given", "marks"),
    [
        ("23: 1 r 10. 1.7692 = <answer>1.769</answer>", (True, True)),
        ("<answer>1.7694</answer>", (True, True)),
        ("<answer>1.77</answer>", (False, True)),
        ("1.769", (False, False)),
        ("<answer>1.769", (False, False)),
        ("<answer>1.769</answer> <answer>1.769</answer>", (False, False)),
        ("<answer>about 1.769</answer>", (False, True)),
        ("", (False, False)),
    ],
)
def test_an_answer_is_judged_by_the_verifiers_of_the_slice(given: str, marks: tuple[bool, bool]) -> None:
    """Right and well formed are two rewards; practice and evaluation cannot drift apart."""
    assert judge(given, "1.769") == marks


@pytest.mark.slow
def test_an_answer_is_weighed_against_its_own_group() -> None:
    """The better half of a group is pushed up, the other down; a group of equals does not move the model."""
    import torch

    from registry.training.grpo import advantages
    from registry.training.settings import read_settings

    settings = read_settings(Path(__file__).parents[2] / "params.yaml").rl.model_copy(
        update={"group": 4, "format_weight": 0.3}
    )
    right, formed, wrong = (True, True), (False, True), (False, False)
    gain = advantages([right, right, formed, wrong, right, right, right, right], settings)

    assert gain[4:].abs().max() == 0
    assert gain[0] == gain[1] > 0 > gain[2] > gain[3]
    assert torch.isclose(gain[:4].sum(), torch.tensor(0.0), atol=1e-5)


@pytest.mark.slow
def test_the_steps_of_muon_are_orthogonal() -> None:
    """All singular values of a step are near 1, whatever those of the gradient."""
    import torch

    from registry.training.muon import orthogonal

    torch.manual_seed(0)
    found = orthogonal(torch.randn(3, 24, 16) * torch.tensor([1.0, 10.0, 0.01]).view(3, 1, 1))
    values = torch.linalg.svdvals(found)

    assert found.shape == (3, 24, 16)
    assert 0.5 < values.min()
    assert values.max() < 1.5
