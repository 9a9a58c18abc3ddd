"""`vonage-simulator serve`: the Voice API over HTTPS, until it is stopped."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vonage_simulator.cli.options import SCENARIO, Parsed, RunOptions, run_options
from vonage_simulator.printable import safe

if TYPE_CHECKING:  # imported where they are used, so that --help is fast
    from vonage_simulator.behaviour import LeftBehind
    from vonage_simulator.carrier import Carrier
    from vonage_simulator.client_sdk.server import ClientSdk
    from vonage_simulator.scenario import FarEnd, Region, Scenario
    from vonage_simulator.trace import Happening, Watch
    from vonage_simulator.voice_api.faults import ApiFaults

VOICE_API_PORT, SDK_PORT = 8443, 8444
TIDY_EVERY = 60.0  # seconds
SPEED_HELP = "How much faster than life calls go."


def _api_faults(text: str) -> ApiFaults:
    from vonage_simulator.voice_api.faults import ApiFaults

    return ApiFaults.read(text)


def _regions(text: str) -> tuple[Region, ...]:
    from vonage_simulator.webhook_bodies import REGION_HOSTS

    wanted = [word.strip() for word in text.split(",")]
    known = tuple(region for word in wanted for region in REGION_HOSTS if region == word)
    if len(known) != len(set(wanted)):
        raise ValueError(f"each once, of {', '.join(REGION_HOSTS)}")
    return known


API_FAULTS = Parsed("names", _api_faults)
REGIONS = Parsed("names", _regions)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """How the Voice API is served, and how the carrier behaves behind it."""

    port: int
    sdk_port: int  # of the script of the stand-in for the Client SDK
    faults: ApiFaults | None = None
    regions: tuple[Region, ...] = ()
    left_behind: LeftBehind = "ends"


@click.command("serve")
@click.option("--api-port", default=VOICE_API_PORT, show_default=True, type=click.IntRange(0, 65535))
@click.option("--sdk-port", default=SDK_PORT, show_default=True, type=click.IntRange(0, 65535))
@click.option("--scenario", type=SCENARIO, help="Its callees say what happens when they are rung.")
@click.option(
    "--folder", type=click.Path(file_okay=False, path_type=Path), help="Where the private key and certificate are kept."
)
@click.option("--api-faults", type=API_FAULTS, help="Faults of the API itself: 429,lost=0.2,transfer:slow=1.")
@click.option("--regions", type=REGIONS, default=(), help="A port for each; first that of callers: eu-west,na-east.")
@click.option(
    "--left-behind",
    type=click.Choice(["ends", "stays"]),
    default="ends",
    show_default=True,
    help="What the other leg of a connect does when one is transferred away.",
)
@run_options(speed="1", speed_help=SPEED_HELP, needs_server=False)
def serve(
    options: RunOptions,
    api_port: int,
    sdk_port: int,
    scenario: Scenario | None,
    folder: Path | None,
    api_faults: ApiFaults | None,
    regions: tuple[Region, ...],
    left_behind: LeftBehind,
) -> None:
    """Serve Vonage's Voice API over HTTPS, for a Vonage SDK as it is, and a stand-in for its Client SDK.

    Callees answer after three seconds and hang up a minute later, unless a scenario says otherwise. The webhooks go to
    the URLs that your program gives, or else to those given here. Users who are logged in by the Client SDK ring in
    their browsers, and `call` places its calls here while this runs.
    """
    import asyncio

    if api_faults:
        api_faults.seed = options.seed
    api = ApiOptions(port=api_port, sdk_port=sdk_port, faults=api_faults, regions=regions, left_behind=left_behind)
    with stopped_gently():
        asyncio.run(_serve(options, folder or options.defaults.folder, api, scenario))


async def _serve(options: RunOptions, folder: Path, api: ApiOptions, scenario: Scenario | None) -> None:
    import asyncio

    from vonage_simulator.transcript import line

    def show(happening: Happening) -> None:
        if text := line(happening, carrier.ledger.legs.get(happening.leg)):
            click.echo(safe(f"{happening.at:%H:%M:%S}  {text}"))

    options.application.calls_per_second = 3.0  # as Vonage has it: help article 207100288
    callees = scenario.callees if scenario else None
    async with carrier_with_api(options, folder, api, show, callees) as (carrier, _):
        click.echo("  Ctrl-C stops it.\n")
        while True:
            await asyncio.sleep(TIDY_EVERY)
            carrier.forget()


@asynccontextmanager
async def carrier_with_api(
    options: RunOptions,
    folder: Path,
    served: ApiOptions,
    watch: Watch | None = None,
    callees: Mapping[str, FarEnd] | None = None,
) -> AsyncIterator[tuple[Carrier, ClientSdk]]:
    """A carrier with its APIs, which takes the calls of commands, too."""
    from vonage_simulator import certificate
    from vonage_simulator.behaviour import Behaviour
    from vonage_simulator.cli.taking_calls import taking_calls
    from vonage_simulator.client_sdk.server import ClientSdk
    from vonage_simulator.scenario import FarEnd
    from vonage_simulator.voice_api.api import VoiceApi

    if callees is None:
        callees = {"*": FarEnd(after=3.0, hangs_up_after=60.0, stays_alone=60.0)}  # as people do who wait for another
    application = options.application
    private_key, application.public_key = certificate.application_keys(folder)
    async with options.carrier(watch, callees, Behaviour(left_behind=served.left_behind)) as carrier:
        api = VoiceApi(carrier, faults=served.faults)
        sdk = ClientSdk(carrier, api.users)
        try:
            made = certificate.make(folder)
            with _listening("Voice API", served.port):
                base = await api.start(made, port=served.port, regions=served.regions)
            with _listening("Client SDK", served.sdk_port):
                script = await sdk.start(served.sdk_port)
            click.echo(f"  Voice API    {base}  (REQUESTS_CA_BUNDLE={made.ca})")
            for region, url in api.by_region.items():
                click.echo(f"              {region} {url}")
            click.echo(f"              application {application.id}, private key {private_key}")
            click.echo(f"              API key {application.api_key}, API secret {application.api_secret}")
            click.echo(f"  Client SDK   CLIENT_SDK_URL={script}")
            async with taking_calls(carrier, options, folder):
                yield carrier, sdk
        finally:
            await sdk.stop()
            await api.stop()


@contextmanager
def _listening(what: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"The {what} cannot listen on port {port}: {error.strerror}.") from error


@contextmanager
def stopped_gently() -> Iterator[None]:
    """SIGTERM, and SIGHUP of a terminal that is closed, are handled as Ctrl-C is: what was started is stopped too."""

    def stop(*_: object) -> None:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of a command in the background of a shell
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)  # which asyncio handles: what runs may still end well

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
