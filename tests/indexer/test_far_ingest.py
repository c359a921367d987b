"""Ingest from an object store by the real services: credentials, pictures, what is served."""

import json

import httpx
import pytest

from shared.clients import indexer, query
from shared.contracts.indexer import BuildSettings
from shared.core.errors import NotFound, Unavailable
from shared.media.identity import content_id
from tests.floats import assert_same_hits
from tests.indexer.s3 import S3Server, pack

pytestmark = [pytest.mark.floats, pytest.mark.engine]

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


def hits(service, data):
    return service.ask(query.search_image(data, limit=20, exact=True)).hits


@pytest.mark.slow
def test_s3_tar_and_zip_answer_as_the_folder_does(
    embedder, service_at, folder_of, picture, s3, tmp_path
):
    folder = folder_of({f"tag{n % 3}/{n:03}.png": n for n in range(60)})
    for kind in ("tar", "zip"):
        pack(folder, tmp_path / f"p.{kind}")
    s3.fill(
        "equal",
        {f"all/{p.relative_to(folder)}": p.read_bytes() for p in folder.rglob("*.png")}
        | {f"p.{kind}": (tmp_path / f"p.{kind}").read_bytes() for kind in ("tar", "zip")},
    )
    sources = [folder, "s3://equal/all", tmp_path / "p.tar", tmp_path / "p.zip"]
    sources += ["s3://equal/p.tar", "s3://equal/p.zip"]
    told, answers = [], []
    for number, source in enumerate(sources):
        data = tmp_path / f"data{number}"
        embedder.mount(data)
        with service_at(data, embedder.url, s3_endpoint=s3.url) as service:
            job = service.ingest(source, clusters=5)
            ids = sorted(service.tagged("tag1"))
            original = service.send(indexer.get_image_file(ids[0]))
            thumbnail = service.send(indexer.get_thumbnail(ids[0]))
            told.append((job.result["embedded"], ids, original, thumbnail))
            answers.append([hits(service, picture(n)) for n in (0, 17, 100)])
    assert told[0][0] == 60
    assert len(told[0][1]) == 20
    assert all(one == told[0] for one in told[1:])
    for one in answers[1:]:
        for found, expected in zip(one, answers[0], strict=True):
            assert_same_hits(found, expected)


@pytest.mark.slow
def test_objects_that_are_no_pictures_fail_alone_and_others_are_served(start, s3, picture):
    s3.fill("strange", {"a/good.png": picture(1), "a/text.png": b"no picture", "a/empty.png": b""})
    with start(s3_endpoint=s3.url) as service:
        job = service.ingest("s3://strange")
        assert (job.result["embedded"], job.result["failed"]) == (1, 2)
        assert service.reasons(job).keys() == {"a/text.png", "a/empty.png"}
        [good] = service.found(picture(1), limit=1)
        assert service.send(indexer.get_image(good)).uris == ["a/good.png"]
        assert service.send(indexer.get_image_file(good)) == (picture(1), "image/png")
        assert service.send(indexer.get_thumbnail(good))[1] == "image/jpeg"
        # Another picture is there now: it isn't served for this one.
        s3.client().put_object(Bucket="strange", Key="a/good.png", Body=picture(2))
        with pytest.raises(NotFound, match="missing or has changed"):
            service.send(indexer.get_image_file(good))
        s3.client().delete_object(Bucket="strange", Key="a/good.png")
        with pytest.raises(NotFound, match="missing or has changed"):
            service.send(indexer.get_image_file(good))


@pytest.mark.slow
def test_wrong_credentials_are_told_and_never_shown(start, s3, picture, monkeypatch, caplog):
    """The server checks keys and signatures from the moment that it's told to."""
    server = S3Server()
    server.start()
    try:
        server.fill("guarded", {"a.png": picture(1)})
        iam = server.client("iam")
        iam.create_user(UserName="reader")
        iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=json.dumps(POLICY))
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        reset = f"{server.url}/moto-api/reset-auth"
        assert httpx.post(reset, content=b"0", trust_env=False).is_success
        with start(s3_endpoint=server.url) as service:
            error = service.failed(service.start_ingest("s3://guarded"))
            assert "the store refuses the credentials" in error
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
        with start(s3_endpoint=server.url) as service:
            error = service.failed(service.start_ingest("s3://guarded"))
            assert "the store refuses the credentials" in error
            shown = error + caplog.text + service.http.get("/v1/jobs").text
        assert "wrong-secret" not in shown
        assert key["AccessKeyId"] not in shown
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        with start(s3_endpoint=server.url) as service:
            assert service.ingest("s3://guarded").result["embedded"] == 1
    finally:
        server.kill()


@pytest.mark.slow
def test_another_model_embeds_from_where_the_pictures_are(start, other_embedder, s3, picture):
    s3.fill("again", {f"{n}.png": picture(n) for n in range(5)} | {"5.png": picture(5)})
    with start(s3_endpoint=s3.url) as service:
        service.ingest("s3://again")
    s3.client().delete_object(Bucket="again", Key="5.png")
    with start(of=other_embedder, s3_endpoint=s3.url) as service:
        assert "1 image would be lost" in service.failed(
            service.send(indexer.build_index(BuildSettings()))
        )
        service.build(drop_missing=True)
        assert all(service.finds_itself(picture(n)) for n in range(5))
        assert not service.finds_itself(picture(5))


@pytest.mark.slow
def test_a_store_that_is_away_is_told_and_a_job_goes_on_once_it_is_back(
    start, s3, picture, until, monkeypatch
):
    # Else the first is recorded after three seconds, when a quick machine has read them all.
    monkeypatch.setattr("services.indexer.ingest.pipeline._FLUSH_IMAGES", 20)
    server = S3Server()
    objects = {f"{n:03}.png": picture(n) for n in range(600)}
    server.start()
    try:
        server.fill("leaving", objects)
        with start(s3_endpoint=server.url, embed_batch=4, source_reads=2) as service:
            job = service.start_ingest("s3://leaving")
            until(lambda: service.parts.images.count() >= 20)
            server.kill()
            assert "s3://leaving doesn't answer" in service.failed(job)
            before = service.parts.images.count()
            assert 20 <= before < 600
            one = content_id(picture(0))
            with pytest.raises(Unavailable, match="s3://leaving doesn't answer"):
                service.send(indexer.get_image_file(one))
            server.start()
            server.fill("leaving", objects)
            again = service.ingest("s3://leaving")
            assert (again.result["embedded"], again.result["failed"]) == (600 - before, 0)
            assert service.send(indexer.get_image_file(one))[0] == picture(0)
            assert service.parts.images.count() == 600
    finally:
        server.kill()
