import numpy as np
import pytest
import torch

from services.embedder.matching import training
from services.embedder.matching.evaluation import average_precision
from services.embedder.matching.examples import Examples
from services.embedder.matching.loss import contrastive_loss
from services.embedder.matching.store import Matcher
from services.embedder.matching.training import TrainingCancelled, train
from services.embedder.matching.training_set import TrainingSet
from shared.contracts.embedder import MatchingLoss, TrainingReport, TrainingSettings
from shared.contracts.query import Metric
from shared.core.errors import InvalidInput

QUICK = TrainingSettings(epochs=8, batch_size=64, hidden=64, holdout=0.25)


def correlated(words, images=600, tags=20, dim=48, seed=0, noise=1.0):
    """Images whose features are a fixed map of their tags' word vectors, and noise."""
    rng = np.random.default_rng(seed)
    terms = [f"w{i}" for i in range(tags)]
    mixing = rng.normal(size=(words.dim, dim))
    image_terms = [
        rng.choice(tags, rng.integers(1, 3), replace=False).tolist() for _ in range(images)
    ]
    means = np.stack(
        [np.mean([words.features(terms[t]) for t in row], axis=0) for row in image_terms]
    )
    clean = means @ mixing
    features = np.maximum(clean + noise * rng.normal(size=(images, dim)), 0).astype(np.float32)
    return TrainingSet(features, terms, image_terms, "cnn-1")


@pytest.fixture(scope="module")
def learnt(small_words):
    """A network that was trained once for all that look at it, its report, and its progress."""
    told = []
    network, report = train(
        correlated(small_words),
        small_words,
        QUICK,
        on_progress=lambda epoch, loss: told.append((epoch, loss)),
    )
    return network, report, told


@pytest.fixture(scope="module")
def calibrated(small_words):
    """The report of a training that holds enough images out to fit probabilities on."""
    return train(correlated(small_words, images=1600, noise=4.0), small_words, QUICK)[1]


def test_it_learns_what_there_is_to_learn(learnt, small_words):
    network, report, _ = learnt
    assert report.losses[-1] < report.losses[0] * 0.85
    assert report.train_loss == report.losses[-1]
    assert (report.images, report.held_out, report.terms) == (450, 150, 20)
    chance = 1.5 / 20
    assert report.precision_at_10 > 6 * chance
    assert report.precision_at_1 > 6 * chance
    assert report.mean_average_precision > 6 * chance
    joint = network.project_images(correlated(small_words).features[:5])
    np.testing.assert_allclose(np.linalg.norm(joint, axis=1), 1, atol=1e-5)
    assert joint.shape == (5, 128)


@pytest.fixture
def one_network(monkeypatch):
    """Trains no networks without some of the terms, which `TestCalibration` is about."""
    monkeypatch.setattr(training, "_LEAST_TERMS", 1000)


@pytest.mark.usefixtures("one_network")
@pytest.mark.parametrize("hard_negatives", [0, 4])
@pytest.mark.parametrize("loss", MatchingLoss)
def test_each_loss_learns(loss, hard_negatives, small_words):
    settings = QUICK.model_copy(update={"loss": loss, "hard_negatives": hard_negatives})
    _, report = train(correlated(small_words), small_words, settings)
    assert (report.loss, report.hard_negatives) == (loss, hard_negatives)
    assert report.mean_average_precision > 0.25


@pytest.mark.usefixtures("one_network")
def test_it_ends_where_held_out_images_gain_no_more(small_words):
    settings = QUICK.model_copy(update={"epochs": 200, "patience": 3, "learning_rate": 1e-2})
    _, report = train(correlated(small_words), small_words, settings)
    assert report.epochs == report.best_epoch + 3 == len(report.losses) < 200
    patient = settings.model_copy(update={"patience": 6})
    _, longer = train(correlated(small_words), small_words, patient)
    assert longer.mean_average_precision >= report.mean_average_precision


@pytest.mark.parametrize("holdout", [0, 0.25])
def test_a_training_that_diverges_is_told_as_such(holdout, small_words):
    settings = QUICK.model_copy(update={"temperature": 1e-40, "holdout": holdout})
    with pytest.raises(InvalidInput, match="The training diverged"):
        train(correlated(small_words), small_words, settings)


def test_without_held_out_images_the_last_epoch_is_kept(small_words):
    settings = QUICK.model_copy(update={"holdout": 0, "patience": 1})
    _, report = train(correlated(small_words, images=64), small_words, settings)
    assert (report.epochs, report.best_epoch, report.calibration) == (QUICK.epochs, None, [])


def test_rare_tags_are_learnt_beside_frequent_ones(small_words):
    """One tag on most pictures beside others, and one that only twelve carry."""
    rng = np.random.default_rng(0)
    rows = [[0, 1 + n % 3] if n % 4 else [1 + n % 3] for n in range(588)] + [[4]] * 12
    means = np.stack(
        [np.mean([small_words.features(f"w{t}") for t in row], axis=0) for row in rows]
    )
    noisy = means @ rng.normal(size=(small_words.dim, 48)) + rng.normal(size=(len(rows), 48))
    order = rng.permutation(len(rows))
    features = noisy.astype("f4")[order]
    tagged = TrainingSet(features, [f"w{t}" for t in range(5)], [rows[i] for i in order], "cnn-1")
    network, report = train(tagged, small_words, QUICK)
    assert report.terms == 5
    carried = np.array([4 in row for row in tagged.image_terms])
    cosines = (
        network.project_images(features)
        @ network.project_words(small_words.features("w4")[None]).ravel()
    )
    assert average_precision(carried[np.argsort(-cosines)]) > 0.5


class TestCalibration:
    def test_is_fitted_on_held_out_images(self, calibrated):
        trained = [one for one in calibrated.calibration if not one.untrained]
        assert [one.metric for one in trained] == list(Metric)
        for one in trained:
            assert (one.space, one.queries, one.pairs) == ("joint", 20, 400)
            assert one.brier < one.base_rate_brier
            assert one.expected_error < 0.15
            assert one.probabilities == sorted(one.probabilities)

    def test_both_metrics_tell_the_same(self, calibrated):
        cosine, l2, *_ = calibrated.calibration
        assert l2.probabilities == pytest.approx(cosine.probabilities)
        assert l2.brier == pytest.approx(cosine.brier, abs=0.01)

    def test_of_terms_that_were_not_trained_on_it_promises_no_more_than_is_kept(self, small_words):
        rng = np.random.default_rng(0)
        own = rng.integers(0, 20, 1600)
        # What a tag looks like has nothing to do with its word: only the trained ones are found.
        looks = rng.normal(size=(20, 48))
        features = (looks[own] + 2 * rng.normal(size=(1600, 48))).astype(np.float32)
        photos = TrainingSet(features, [f"w{i}" for i in range(20)], [[t] for t in own], "cnn-1")
        _, report = train(photos, small_words, QUICK)
        most = {one.untrained: max(one.probabilities) for one in report.calibration}
        assert most[False] > 0.8
        assert most[True] < 0.4
        told = [one for one in report.calibration if one.untrained]
        assert [one.metric for one in told] == list(Metric)
        assert all(one.expected_error < 0.15 for one in told)

    def test_where_no_term_can_be_spared_there_is_none_for_others(self, small_words):
        _, report = train(correlated(small_words, images=600, tags=7), small_words, QUICK)
        assert [one.untrained for one in report.calibration] == [False, False]

    def test_too_little_gives_none(self, small_words):
        _, report = train(correlated(small_words, images=16), small_words, QUICK)
        assert report.calibration == []

    def test_reports_of_before_can_be_read(self, small_words):
        _, report = train(correlated(small_words, images=64), small_words, QUICK)
        new = {"loss", "hard_negatives", "best_epoch", "calibration"}
        assert TrainingReport.model_validate(report.model_dump(exclude=new)).calibration == []


@pytest.mark.usefixtures("one_network")
def test_tags_that_mean_nothing_stay_at_chance(small_words):
    shuffled = correlated(small_words)
    rng = np.random.default_rng(3)
    noise = TrainingSet(
        rng.normal(size=shuffled.features.shape).astype("f4"),
        shuffled.terms,
        shuffled.image_terms,
        "cnn-1",
    )
    _, report = train(noise, small_words, QUICK)
    assert report.mean_average_precision < 0.2


def test_the_terms_that_most_images_carry_are_the_anchors(learnt, small_words):
    terms = [[0], [0], [1, 2], [0, 2], [2], [3]]
    examples = Examples(
        np.zeros((6, 2), "f4"), np.arange(6), [np.array(t) for t in terms], np.zeros((5, 2), "f4")
    )
    assert examples.most_frequent(2).tolist() == [0, 2]
    assert examples.most_frequent(9).tolist() == [0, 1, 2, 3]
    network, *_ = learnt
    assert len(network.anchors) == len(set(correlated(small_words).terms))


@pytest.mark.usefixtures("one_network")
def test_the_same_seed_gives_the_same_network(small_words):
    def fingerprint(seed):
        settings = QUICK.model_copy(update={"epochs": 2, "seed": seed})
        network, _ = train(correlated(small_words), small_words, settings)
        return Matcher(network, "a", "b").fingerprint

    assert fingerprint(0) == fingerprint(0) != fingerprint(1)


def test_global_random_state_is_left_alone(small_words):
    before = torch.get_rng_state()
    train(correlated(small_words, images=32), small_words, QUICK)
    assert torch.equal(before, torch.get_rng_state())


def test_cancelling_ends_it(small_words):
    asked = []

    def cancelled():
        asked.append(True)
        return len(asked) > 3

    with pytest.raises(TrainingCancelled):
        train(correlated(small_words), small_words, QUICK, cancelled=cancelled)
    assert len(asked) == 4


def test_progress_is_told(learnt):
    *_, told = learnt
    assert [epoch for epoch, _ in told] == sorted(epoch for epoch, _ in told)
    assert told[-1][0] == QUICK.epochs
    assert all(np.isfinite(loss) for _, loss in told)


@pytest.mark.parametrize("image_terms", [[[0], [0]], [[0], [1]], [[0, 1], []], [[1, 1]]])
def test_tiny_sets(image_terms, small_words):
    features = np.eye(len(image_terms), 8, dtype=np.float32)
    tiny = TrainingSet(features, ["w0", "w1"], image_terms, "cnn-1")
    network, report = train(tiny, small_words, TrainingSettings(epochs=2))
    assert report.held_out == 0
    assert report.precision_at_1 is None
    assert np.isfinite(report.losses).all()
    assert np.isfinite(network.project_images(features)).all()


def test_terms_without_a_word_vector_are_left_out_and_listed(small_words):
    whole = correlated(small_words, images=64)
    odd = TrainingSet(
        whole.features,
        [*whole.terms, "qqxz", "xxyyzz"],
        [[*row, 20 + i % 2] for i, row in enumerate(whole.image_terms)],
        "cnn-1",
    )
    _, report = train(odd, small_words, QUICK)
    assert report.terms_without_word == ["qqxz", "xxyyzz"]
    assert report.terms == 20


@pytest.mark.parametrize(
    ("terms", "image_terms"), [(["qqxz"], [[0], [0]]), ([], [[], []]), (["w0"], [])]
)
def test_nothing_to_learn_is_said(terms, image_terms, small_words):
    features = np.zeros((len(image_terms), 4), dtype=np.float32)
    with pytest.raises(InvalidInput, match="no image carries a tag that has a word vector"):
        train(TrainingSet(features, terms, image_terms, "x"), small_words, QUICK)


def test_a_large_set_is_drawn_from(small_words):
    _, report = train(correlated(small_words), small_words, QUICK, max_images=100)
    assert report.images + report.held_out == 100


class TestLoss:
    def test_is_the_closed_form(self):
        torch.manual_seed(0)
        images, terms = (torch.nn.functional.normalize(torch.randn(n, 6), dim=1) for n in (4, 3))
        carries = torch.tensor([[1, 0, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1]]).bool()
        similar = (images @ terms.T / 0.2).exp()
        by_image = [
            -np.mean([self.share(similar[i], carries[i], t) for t in range(3) if carries[i, t]])
            for i in range(4)
        ]
        by_term = [
            -np.mean(
                [self.share(similar[:, t], carries[:, t], i) for i in range(4) if carries[i, t]]
            )
            for t in range(3)
        ]
        expected = (np.mean(by_image) + np.mean(by_term)) / 2
        assert self.loss(images, terms, carries, temperature=0.2) == pytest.approx(expected, 1e-5)

    @pytest.mark.parametrize("loss", MatchingLoss)
    @pytest.mark.parametrize("hard_negatives", [0, 1, 3, 100])
    def test_is_least_where_pairs_match(self, loss, hard_negatives):
        points, own = torch.eye(5), torch.eye(5).bool()
        how = {"loss": loss, "hard_negatives": hard_negatives}
        matched = self.loss(points, points, own, **how)
        crossed = self.loss(points, points.roll(1, 0), own, **how)
        assert matched < 0.05 < crossed

    def test_margin_is_the_closed_form(self):
        cosines = torch.tensor([[0.9, 0.4], [0.1, 0.5]])
        images, terms = cosines, torch.eye(2)
        found = self.loss(images, terms, torch.eye(2).bool(), loss="margin", margin=0.8)
        near, apart = (0.1**2 + 0.5**2) / 2, (0.2**2 + 0) / 2
        assert found == pytest.approx(near + apart, 1e-5)

    @pytest.mark.parametrize("loss", MatchingLoss)
    def test_own_tags_are_no_negatives(self, loss):
        images = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        both = self.loss(images, images[:1], torch.ones(2, 1).bool(), loss=loss)
        assert both == pytest.approx(0, abs=1e-6)

    @pytest.mark.parametrize("loss", MatchingLoss)
    def test_hard_negatives_leave_easy_ones_out(self, loss):
        terms = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [0.9, 0.1], [0.5, 0.5]]))
        carries = torch.tensor([[True, False, False]])

        def slope(hard_negatives):
            image = torch.tensor([[1.0, 0.0]])
            moving = terms.clone().requires_grad_()
            settings = TrainingSettings(loss=loss, hard_negatives=hard_negatives, margin=1)
            contrastive_loss(image, moving, carries, settings).backward()
            return moving.grad[:, 0]

        assert (slope(0)[1:] != 0).all()
        # Only from term to image, where one image is all there is, may the easy one still count.
        assert 0 <= slope(1)[2] < slope(0)[2]
        assert slope(1)[1] > 0

    @staticmethod
    def share(row, positive, own):
        """The logarithm of one positive's share beside the negatives."""
        return (row[own] / (row[own] + row[~positive].sum())).log()

    @staticmethod
    def loss(images, terms, carries, **settings):
        return contrastive_loss(images, terms, carries, TrainingSettings(**settings)).item()


def test_average_precision():
    assert average_precision(np.array([True, False, True, False])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([False, False])) == 0
