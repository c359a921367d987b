"""Refused files and bodies, overload, and networks that break: the real app over ASGI."""

import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch

from shared.clients import embedder
from shared.contracts.embedder import (
    ImageSpace,
)
from shared.core.errors import BadImage, Conflict, InvalidInput, NotFound
from tests import poison
from tests.embedder.requests import IMAGES, RAW, parts
from tests.floats import assert_same


@pytest.mark.floats
@pytest.mark.engine
class TestImages:
    @pytest.mark.parametrize("crop", ["1", "a,b,c,d", "0.5,0,0.6,1", "0,0,0,1", "nan,0,1,1"])
    def test_a_crop_that_is_none_is_422(self, service, encoded, crop):
        with pytest.raises(InvalidInput, match="crop"):
            service.send(replace(embedder.embed_images([encoded()]), params={"crop": [crop]}))

    def test_there_is_a_crop_for_each_file_or_none(self, service, encoded):
        call = replace(embedder.embed_images([encoded()]), params={"crop": ["", "0,0,1,1"]})
        with pytest.raises(InvalidInput, match="2 crops for 1 files"):
            service.send(call)

    def test_bad_files_are_named_by_index(self, service, encoded):
        files = [encoded(), b"", encoded("PNG"), b"text", encoded()[:200]]
        with pytest.raises(BadImage) as caught:
            service.send(embedder.embed_images(files))
        items = caught.value.extra["items"]
        assert [item["index"] for item in items] == [1, 3, 4]
        assert items[0]["error"] == "The file is empty."
        assert "Not an image" in items[1]["error"]
        assert items[2]["error"] == "The image is truncated."

    def test_a_problem_document_is_answered(self, service):
        answer = service.request("POST", IMAGES, files=parts(b"text"))
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:ise:problem:bad-image"

    def test_limits_are_per_image(self, start, tmp_path, encoded):
        small, large = encoded("PNG"), encoded("PNG", seed=1)
        with start(tmp_path, max_pixels=97 * 64 - 1) as service, pytest.raises(BadImage) as caught:
            service.send(embedder.embed_images([small]))
        assert "ISE_MAX_PIXELS" in caught.value.extra["items"][0]["error"]
        limit = len(small) - 1
        with start(tmp_path, max_image_bytes=limit) as service, pytest.raises(BadImage) as caught:
            service.send(embedder.embed_images([small, large]))
        assert "ISE_MAX_IMAGE_BYTES" in caught.value.extra["items"][0]["error"]

    def test_no_files(self, service):
        for options in ({}, {"data": {"files": []}}, {"content": b"x"}, {"json": {}}):
            answer = service.request("POST", IMAGES, **options)
            assert answer.status_code == 422, options
            assert answer.json()["detail"].startswith("No files")

    def test_other_fields_are_refused(self, service, encoded):
        answer = service.request("POST", IMAGES, files=parts(encoded()), data={"colour": "red"})
        assert answer.status_code == 422
        assert "colour" in answer.json()["detail"]

    def test_a_malformed_body(self, service):
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        answer = service.request("POST", IMAGES, content=b"--y\r\n\r\nabc", headers=headers)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"

    def test_too_many_files(self, start, tmp_path, encoded):
        with start(tmp_path, max_files=3) as service:
            assert service.request("POST", IMAGES, files=parts(*[encoded()] * 3)).is_success
            answer = service.request("POST", IMAGES, files=parts(*[encoded()] * 4))
        assert answer.status_code == 422
        assert "3" in answer.json()["detail"]

    def test_an_unknown_space(self, service, encoded):
        answer = service.request("POST", IMAGES + "?space=outer", files=parts(encoded()))
        assert answer.status_code == 422

    def test_joint_without_a_network_says_the_way_out(self, service, encoded):
        with pytest.raises(Conflict, match="ise build"):
            service.send(embedder.embed_images([encoded()], ImageSpace.JOINT))
        with pytest.raises(NotFound, match="match-0123"):
            service.send(embedder.embed_images([encoded()], ImageSpace.JOINT, "match-0123"))

    def test_a_picture_of_a_pixel_is_refused_with_the_reason(self, service):
        answer = service.request("POST", IMAGES, files=parts(poison.one_pixel()))
        assert answer.status_code == 422
        assert "1 x 1 pixels are too few" in answer.json()["items"][0]["error"]

    def test_a_decoding_process_that_is_killed_costs_no_picture(self, start, tmp_path, encoded):
        files = [encoded(seed=i % 7) for i in range(64)]
        with start(tmp_path) as service:
            expected = service.send(embedder.embed_images(files)).vectors
            decoders = service.app.state.host.hosted().decoders
            for pid in decoders.pids:
                os.kill(pid, signal.SIGKILL)
            again = service.send(embedder.embed_images(files)).vectors
            assert service.request("GET", "/ready").status_code == 200
            metrics = service.request("GET", "/metrics").text
        np.testing.assert_allclose(again, expected, atol=1e-4)
        assert f"ise_decoders_replaced_total {decoders.replaced:.1f}" in metrics
        assert decoders.replaced > 0

    def test_a_network_that_breaks_is_loaded_anew(self, start, tmp_path, encoded, monkeypatch):
        with start(tmp_path) as service:
            expected = service.send(embedder.embed_images([encoded()])).vectors
            broken = service.app.state.host.hosted().visual.backbone
            monkeypatch.setattr(broken, "forward", lambda _: 1 / 0)
            answer = service.request("POST", IMAGES, files=parts(encoded()))
            assert answer.status_code == 503
            assert answer.headers["Retry-After"]
            service.until_ready()
            again = service.send(embedder.embed_images([encoded()])).vectors
            restarts = f'ise_network_restarts_total{{model="{broken.fingerprint}"}} 1.0'
            assert restarts in service.request("GET", "/metrics").text
        assert_same(again, expected)

    def test_a_network_whose_weights_changed_meanwhile_is_not_served(
        self, start, tmp_path, encoded, monkeypatch, torchvision_models
    ):
        weights = tmp_path / "squeezenet.safetensors"

        def save():
            safetensors.torch.save_file(torchvision_models.squeezenet1_1().state_dict(), weights)

        save()
        changes = {"backbone": "torchvision/squeezenet1_1", "weights": str(weights)}
        with start(tmp_path / "data", **changes) as service:
            save()
            broken = service.app.state.host.hosted().visual.backbone
            monkeypatch.setattr(broken, "forward", lambda _: 1 / 0)
            service.request("POST", IMAGES, files=parts(encoded()))
            end = time.monotonic() + 120
            while "the weights changed" not in (told := service.request("GET", "/ready").text):
                assert time.monotonic() < end, told
                time.sleep(0.05)

    def test_overload_is_told_and_passes(self, start, tmp_path, encoded):
        options = {"files": parts(*[encoded(seed=i) for i in range(16)]), "headers": RAW}
        with start(tmp_path, queue_size=1) as service:
            answers = service.together(*[("POST", IMAGES, options)] * 6)
            assert sorted({answer.status_code for answer in answers}) == [200, 429]
            refused = next(answer for answer in answers if answer.status_code == 429)
            assert refused.headers["Retry-After"] == "1"
            assert service.request("POST", IMAGES, **options).status_code == 200

    def test_a_deadline_is_kept(self, start, tmp_path, encoded):
        with start(tmp_path, embed_seconds=0.001) as service:
            answer = service.request("POST", IMAGES, files=parts(*[encoded()] * 20))
        assert answer.status_code == 503
        assert "ISE_EMBED_SECONDS" in answer.json()["detail"]
