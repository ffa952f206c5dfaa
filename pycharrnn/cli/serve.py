"""The command that puts a model on the network."""

from __future__ import annotations

from pycharrnn import CharRNN
from pycharrnn.arguments import Integer
from pycharrnn.cli import rows
from pycharrnn.cli.command import Command, Row
from pycharrnn.cli.console import log
from pycharrnn.cli.failures import Stop
from pycharrnn.cli.inputs import no_text
from pycharrnn.cli.job import Job
from pycharrnn.cli.options import OF_MODEL, Option, parameters


def _serve(job: Job) -> None:
    from pycharrnn.serving.limits import Limits

    try:
        from pycharrnn.serving.server import Server, name_of
    except ImportError as error:
        raise ImportError('serve needs starlette and uvicorn: pip install "pycharrnn[serve]"') from error
    request = job.request
    name = request.get("name", name_of(request["model"]))
    origins = [origin.strip().rstrip("/").lower() for origin in request.get("allow_origin", "").split(",") if origin]
    for origin in origins:
        if origin != "*" and not origin.startswith(("http://", "https://")):
            raise Stop(f"--allow-origin must be as http://localhost:3000, got {origin!a}", 2)
    where = {key: request[key] for key in ("host", "port") if key in request}
    server = Server(
        job.model, name, **{"port": 8000} | where, origins=origins, limits=Limits(**request.arguments(Limits))
    )
    with server.running():
        said = f"model {name!a}: a page at {server.url}/, OpenAI's protocol at {server.url}/v1; Ctrl-C ends it"
        if server.is_open:
            said += "\npycharrnn: warning: other machines can reach this server, and nothing asks them who they are"
        log(said)  # at once: whoever reads the address may end the server before another line
        server.wait()


def _options() -> list[Row]:
    from pycharrnn.serving.limits import Limits

    return [
        rows.MODEL_FILE,
        Option("--port", meaning="The port; 0 takes a free one. (default: 8000)", kind=Integer(0, 65_535), metavar="N"),
        Option(
            "--host",
            meaning="The address to listen on. Any other than the default lets other machines in, and nothing asks "
            "them who they are. (default: 127.0.0.1, for this machine alone)",
            metavar="ADDRESS",
        ),
        Option(
            "--name",
            meaning="What clients call the model. (default: the name of its file)",
            metavar="NAME",
        ),
        Option(
            "--allow-origin",
            meaning="Origins of other sites whose pages may use this server, with commas between, such as "
            "http://localhost:3000; * is all. (default: none)",
            metavar="ORIGINS",
        ),
        *parameters(Limits),
        *parameters(CharRNN, "n_threads", key=OF_MODEL),
        rows.ON_UNKNOWN,
    ]


SERVE = Command(
    _serve,
    "serve a trained model: a page to write with, and OpenAI's protocol for programs",
    "serve book.safetensors --port 8000",
    options=_options,
    read=no_text,
)
