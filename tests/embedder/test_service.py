"""The real app, with the packaged models, over ASGI."""

import io
import re
import time

import numpy as np
import pytest
import safetensors.torch
from PIL import ExifTags, Image

from shared.clients import embedder
from shared.contracts.crop import Crop
from shared.contracts.embedder import (
    DIM_HEADER,
    FINGERPRINT_HEADER,
    Embeddings,
    ImageSpace,
    TermSpace,
)
from shared.core.errors import Conflict, UnknownTerm
from tests.embedder.requests import IMAGES, RAW, parts
from tests.floats import assert_same


@pytest.mark.floats
@pytest.mark.engine
class TestImages:
    def test_rows_come_in_order_and_do_not_depend_on_neighbours(self, service, encoded):
        files = [encoded("JPEG", seed=i) for i in range(10)]
        together = service.send(embedder.embed_images(files))
        alone = [service.send(embedder.embed_images([file])).vectors[0] for file in files]
        assert together.vectors.shape == (10, 256)
        np.testing.assert_allclose(together.vectors, alone, atol=1e-5 * np.abs(alone).max())
        cosine = np.corrcoef(together.vectors)
        assert (cosine[~np.eye(10, dtype=bool)] < 0.999).all()

    def test_colors_are_told_where_they_are_asked_for(self, service):
        files = []
        for color in ("#d01010", "#2040d0"):
            file = io.BytesIO()
            Image.new("RGB", (200, 160), color).save(file, "JPEG")
            files.append(file.getvalue())
        told = service.send(embedder.embed_images(files, colors=True))
        assert [max(one, key=one.get) for one in told.colors] == ["red", "blue"]
        plain = service.send(embedder.embed_images(files))
        assert plain.colors is None
        assert_same(plain.vectors, told.vectors)

    def test_64_files_in_a_call(self, service, encoded):
        files = [encoded("JPEG", seed=i % 5) for i in range(64)]
        rows = service.send(embedder.embed_images(files))
        assert rows.vectors.shape == (64, 256)
        np.testing.assert_allclose(rows.vectors[0], rows.vectors[60], atol=1e-4)

    def test_a_crop_is_of_the_upright_picture_in_fractions(self, service, encoded, picture):
        whole = picture(size=(128, 96))
        # Stored on its side; the orientation says how it is to be turned.
        exif = whole.getexif()
        exif[ExifTags.Base.Orientation] = 6
        file = io.BytesIO()
        whole.transpose(Image.Transpose.ROTATE_90).save(file, "PNG", exif=exif)
        cut = io.BytesIO()
        whole.crop((32, 48, 96, 96)).save(cut, "PNG")
        crops = [Crop(x=0.25, y=0.5, width=0.5, height=0.5), None]
        files = [file.getvalue(), cut.getvalue()]
        first, second = service.send(embedder.embed_images(files, crops=crops)).vectors
        np.testing.assert_allclose(first, second, atol=1e-4 * np.abs(second).max())

    def test_a_crop_of_a_large_jpeg_has_all_its_detail(self, service, picture):
        large = picture(size=(3000, 2250)).resize((3000, 2250))
        file, cut = io.BytesIO(), io.BytesIO()
        large.save(file, "JPEG", quality=95)
        Image.open(file).crop((300, 225, 600, 450)).save(cut, "PNG")
        crop = Crop(x=0.1, y=0.1, width=0.1, height=0.1)
        files = [file.getvalue(), cut.getvalue()]
        first, second = service.send(embedder.embed_images(files, crops=[crop, None])).vectors
        assert first @ second / np.linalg.norm(first) / np.linalg.norm(second) > 0.999

    def test_many_calls_at_once_each_get_their_own(self, service, encoded):
        contents = [encoded("PNG", seed=i) for i in range(12)]
        expected = service.send(embedder.embed_images(contents)).vectors
        options = [{"files": parts(data), "headers": RAW} for data in contents]
        answers = service.together(*(("POST", IMAGES, o) for o in options))
        rows = [np.frombuffer(answer.content, dtype="<f4") for answer in answers]
        np.testing.assert_allclose(rows, expected, atol=1e-4)

    def test_headers_say_what_the_rows_are_and_how_long_they_took(self, service, encoded):
        answer = service.request("POST", IMAGES, files=parts(encoded()), headers=RAW)
        model = service.send(embedder.list_models()).visual
        assert answer.headers[FINGERPRINT_HEADER] == model.fingerprint
        assert answer.headers[DIM_HEADER] == str(model.dim)
        assert len(answer.content) == 4 * model.dim
        timing = re.fullmatch(
            r"decode;dur=([\d.]+), queue;dur=([\d.]+), inference;dur=([\d.]+)",
            answer.headers["Server-Timing"],
        )
        assert timing
        assert all(float(milliseconds) > 0 for milliseconds in timing.groups())

    def test_json_has_the_same_values(self, service, encoded):
        raw = service.send(embedder.embed_images([encoded()]))
        answer = service.request("POST", IMAGES, files=parts(encoded()))
        described = Embeddings.model_validate_json(answer.content)
        assert (described.fingerprint, described.dim) == (raw.fingerprint, 256)
        np.testing.assert_allclose(described.vectors, raw.vectors, rtol=1e-5)

    @pytest.mark.parametrize(
        "part",
        [("photo.txt", "text/plain"), ("", "application/json"), ("x.svg", "image/svg+xml")],
    )
    def test_names_and_content_types_do_not_matter(self, part, service, encoded):
        name, kind = part
        answer = service.request("POST", IMAGES, files=[("files", (name, encoded(), kind))])
        assert answer.status_code == 200, answer.text

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_a_part_without_a_name(self, kind, service, encoded):
        named = service.send(embedder.embed_images([encoded(kind)])).vectors
        answer = service.request(
            "POST", IMAGES, files=[("files", (None, encoded(kind)))], headers=RAW
        )
        assert_same(np.frombuffer(answer.content, "<f4"), named[0])

    @pytest.mark.parametrize("shape", [(4, 4), (1, 3000), (3000, 1)])
    def test_odd_shapes_are_taken(self, shape, service, encoded, picture):
        data = encoded("PNG", picture(size=shape))
        assert np.isfinite(service.send(embedder.embed_images([data])).vectors).all()

    def test_bulk_gives_the_same(self, service, encoded):
        files = [encoded(seed=i) for i in range(3)]
        one, other = (service.send(embedder.embed_images(files, bulk=b)) for b in (False, True))
        np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-4)

    @pytest.mark.parametrize("body", [b"", b"\x09\0\0\0short"])
    def test_a_raw_body_that_is_cut_is_refused(self, body, service):
        headers = {"Content-Type": "application/octet-stream"}
        answer = service.request("POST", IMAGES, content=body, headers=headers)
        assert answer.status_code == 422
        assert "little-endian uint32" in answer.json()["detail"]

    def test_stages_are_measured(self, start, tmp_path, encoded):
        with start(tmp_path) as service:
            service.send(embedder.embed_images([encoded()] * 3))
            metrics = service.request("GET", "/metrics").text
        for stage in ("decode", "queue", "inference"):
            assert f'ise_embed_stage_seconds_count{{stage="{stage}"}} 3.0' in metrics
        assert re.search(r'ise_embed_images_in_hand{model="mini-\w+"} 0.0', metrics)
        assert re.search(r'ise_embed_batch_images_sum{model="mini-\w+"} 3.0', metrics)


class TestTerms:
    def test_words(self, service):
        terms = ["dog", "Dog", "wild_cat", "wild", "cat"]
        rows = service.send(embedder.embed_terms(terms, TermSpace.WORD))
        dog, upper, phrase, wild, cat = rows.vectors
        assert rows.vectors.shape == (5, 200)
        assert rows.fingerprint == service.send(embedder.list_models()).words.fingerprint
        assert_same(dog, upper)
        lengths = np.linalg.norm([wild, cat], axis=1)
        mean = (wild / lengths[0] + 2 * cat / lengths[1]) / 3 * lengths.mean()
        np.testing.assert_allclose(phrase, mean, rtol=1e-4, atol=1e-6)

    def test_near_words_mean_alike(self, service):
        rows = service.send(embedder.embed_terms(["dog", "puppy", "parliament"], TermSpace.WORD))
        unit = rows.vectors / np.linalg.norm(rows.vectors, axis=1, keepdims=True)
        assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.1

    def test_unknown_terms_are_refused_with_suggestions(self, service):
        with pytest.raises(UnknownTerm) as caught:
            service.send(embedder.embed_terms(["dog", "elefant"], TermSpace.WORD))
        assert "elephant" in caught.value.extra["suggestions"]
        assert caught.value.extra["terms"] == ["elefant"]
        # The model of this service has no classifier, whose table might know it.
        assert caught.value.extra["named"] is False

    def test_unknown_terms_may_be_left_empty(self, service):
        call = embedder.embed_terms(["dog", "qqxzv"], TermSpace.WORD, allow_unknown=True)
        rows = service.send(call).vectors
        assert np.isfinite(rows[0]).all()
        assert np.isnan(rows[1]).all()
        body = {"terms": ["qqxzv", "dog"], "space": "word", "allow_unknown": True}
        vectors = service.request("POST", "/v1/embed/terms", json=body).json()["vectors"]
        assert vectors[0] is None
        assert len(vectors[1]) == 200

    @pytest.mark.parametrize(
        "body", [{"terms": []}, {"terms": ["a"], "colour": 1}, {"terms": ["a"], "space": "x"}, {}]
    )
    def test_what_is_not_in_the_contract_is_refused(self, body, service):
        assert service.request("POST", "/v1/embed/terms", json=body).status_code == 422

    def test_joint_without_a_network(self, service):
        with pytest.raises(Conflict, match="ise build"):
            service.send(embedder.embed_terms(["dog"]))


class TestOperations:
    def test_models(self, service):
        models = service.send(embedder.list_models())
        assert (models.visual.architecture, models.visual.dim) == ("mini", 256)
        assert models.visual.engine.split("-")[0] in ("eager", "openvino")
        end = time.monotonic() + 60
        while (speed := service.send(embedder.list_models()).visual.speed) is None:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert speed.share == pytest.approx(speed.images_per_second / speed.limit, rel=0.05)
        assert models.matching.fingerprint == models.visual.fingerprint
        assert models.words.dim == 200
        assert models.networks == []

    def test_it_is_not_ready_while_it_loads(self, start, tmp_path, encoded):
        with start(tmp_path, ready=False) as service:
            answer = service.request("GET", "/ready")
            assert answer.status_code == 503
            assert answer.json()["detail"] == "The models are being loaded."
            assert service.request("GET", "/health").status_code == 200
            assert service.request("POST", IMAGES, files=parts(encoded())).status_code == 503
            service.until_ready()

    def test_what_cannot_be_loaded_is_told(self, start, tmp_path):
        with start(tmp_path, ready=False, weights="/no/such.safetensors") as service:
            assert service.failed.wait(120)
            answer = service.request("GET", "/ready")
        assert answer.status_code == 503
        assert "ISE_WEIGHTS=/no/such.safetensors" in answer.json()["detail"]

    def test_an_unforeseen_failure_to_load_is_told_too(self, start, tmp_path):
        with start(tmp_path, ready=False, weights="~nosuchuser/x.safetensors") as service:
            assert service.failed.wait(120)
            told = service.request("GET", "/ready").json()["detail"]
        assert told.startswith("The models can't be loaded (RuntimeError: ")
        assert told.endswith("Look at ISE_BACKBONE, ISE_WEIGHTS, ISE_MATCHING and ISE_WORDS.")

    def test_every_call_is_described(self, service):
        document = service.request("GET", "/openapi.json").json()
        calls = [
            call
            for path, methods in document["paths"].items()
            if path.startswith("/v1")
            for call in methods.values()
        ]
        assert len(calls) == 8
        assert all(call["summary"] and call["description"] and call["tags"] for call in calls)
        images = document["paths"][IMAGES]["post"]
        assert "multipart/form-data" in images["requestBody"]["content"]
        assert {"200", "422", "429", "503"} <= images["responses"].keys()

    def test_two_networks(self, start, tmp_path, encoded, torchvision_models):
        weights = tmp_path / "squeezenet.safetensors"
        network = torchvision_models.squeezenet1_1()
        safetensors.torch.save_file(network.state_dict(), weights)
        changes = {
            "matching_backbone": "torchvision/squeezenet1_1",
            "matching_weights": str(weights),
        }
        with start(tmp_path, **changes) as service:
            models = service.send(embedder.list_models())
            visual = service.send(embedder.embed_images([encoded()]))
            matching = service.send(embedder.embed_images([encoded()], ImageSpace.MATCHING))
        assert (models.visual.dim, models.matching.dim) == (256, 512)
        assert (visual.vectors.shape, matching.vectors.shape) == ((1, 256), (1, 512))
        assert visual.fingerprint == models.visual.fingerprint != matching.fingerprint
