import pytest

from services.embedder.config import EmbedderSettings


def chosen(**changes):
    settings = EmbedderSettings(_env_file=None, **changes)
    return (
        settings.visual_backbone,
        settings.weights,
        settings.tag_backbone,
        settings.tag_weights,
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"profile": "mini"}, ("mini", "", "mini", "")),
        ({"profile": None}, ("lite", "", "lite", "")),
        ({"profile": ""}, ("lite", "", "lite", "")),
        ({"profile": "classic"}, ("inception_resnet_v2", "", "resnet50", "")),
        ({"weights": "a"}, ("lite", "a", "lite", "a")),
        ({"backbone": "resnet18", "weights": "a"}, ("resnet18", "a", "resnet18", "a")),
        ({"profile": "classic", "weights": "a"}, ("inception_resnet_v2", "a", "resnet50", "")),
        ({"profile": "classic", "backbone": "vgg11"}, ("vgg11", "", "vgg11", "")),
        (
            {"weights": "a", "matching_backbone": "vgg11", "matching_weights": "b"},
            ("lite", "a", "vgg11", "b"),
        ),
        ({"weights": "a", "matching_backbone": "vgg11"}, ("lite", "a", "vgg11", "")),
        ({"weights": "a", "matching_weights": "b"}, ("lite", "a", "lite", "b")),
    ],
)
def test_what_is_set_goes_before_the_profile(monkeypatch, changes, expected):
    monkeypatch.delenv("ISE_PROFILE", raising=False)
    assert chosen(**changes) == expected


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("ISE_PROFILE", "classic")
    monkeypatch.setenv("ISE_MAX_BATCH", "3")
    settings = EmbedderSettings(_env_file=None)
    assert (settings.profile, settings.max_batch) == ("classic", 3)
