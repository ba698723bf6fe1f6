"""Health, reflection and channelz of a real process, asked by the stock packages of gRPC."""

import contextlib
import json
import os
import pathlib
import queue
import subprocess
import tempfile
import threading

import grpc
import pymongo
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import proto_reflection_descriptor_database, reflection_pb2, reflection_pb2_grpc

import mobo_frames as h2
from mobo_deployment import SERVICES, Deployment
from mobo_protos import ROOT, load
from mobo_proxy import Proxy

TIMEOUT = 20
WALLET = {"mobo.wallet.v1.WalletService", "mobo.wallet.v1.WalletInternalService"}
INFRASTRUCTURE = {
    "grpc.channelz.v1.Channelz", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection"}
Status = health_pb2.HealthCheckResponse


@contextlib.contextmanager
def wallet_of(mongodb_uri, environment=None):
    """Wallet and identity, without which wallet's users cannot be known."""
    deployment = Deployment(mongodb_uri)
    deployment["wallet"].environment.update(environment or {})
    try:
        deployment["identity"].start()
        deployment["wallet"].start()
        with deployment.channel("wallet") as channel:
            await_serving(channel)
        yield deployment
    finally:
        codes = deployment.close()
    assert set(codes.values()) == {0}


def await_serving(channel, services=WALLET):
    watches = [Watch(health_pb2_grpc.HealthStub(channel), service) for service in services]
    for watch in watches:
        watch.until(Status.SERVING)
        watch.call.cancel()


@pytest.fixture(scope="module")
def running(mongodb_uri):
    with wallet_of(mongodb_uri) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def channel(running):
    with running.channel("wallet") as channel:
        yield channel


def refusal(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code()


# --- The protos are the public ones ---


@pytest.fixture(scope="module")
def compiled():
    """Our files by name, as the stock compiler describes them."""
    from grpc_tools import protoc

    names = sorted(str(path.relative_to(ROOT / "Proto")) for path in (ROOT / "Proto").rglob("*.proto"))
    own = pathlib.Path(protoc.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        output = f"{folder}/set"
        arguments = [f"-I{ROOT / 'Proto'}", f"-I{own}", "--include_imports", f"--descriptor_set_out={output}"]
        assert protoc.main(["protoc", *arguments, *names]) == 0
        files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(output).read_bytes()).file
    return {file.name: file for file in files}


def shape(file):
    """Everything that decides over the wire: names, numbers, types, methods."""
    found = {}

    def field(one):
        return one.name, one.number, one.type, one.label, one.type_name, one.oneof_index, one.HasField("oneof_index")

    def enum(one, scope):
        found[f"{scope}.{one.name}"] = [(value.name, value.number) for value in one.value]

    def message(one, scope):
        name = f"{scope}.{one.name}"
        found[name] = sorted(field(each) for each in one.field), [each.name for each in one.oneof_decl]
        for nested in one.nested_type:
            message(nested, name)
        for nested in one.enum_type:
            enum(nested, name)

    for one in file.message_type:
        message(one, file.package)
    for one in file.enum_type:
        enum(one, file.package)
    for service in file.service:
        found[f"{file.package}.{service.name}"] = sorted(
            (one.name, one.input_type, one.output_type, one.client_streaming, one.server_streaming)
            for one in service.method)
    return found


@pytest.mark.parametrize("name, public", [
    ("grpc/health/v1/health.proto", health_pb2),
    ("grpc/reflection/v1alpha/reflection.proto", reflection_pb2),
    ("grpc/channelz/v1/channelz.proto", channelz_pb2),
])
def test_public_protos_have_their_public_shape(compiled, name, public):
    theirs = descriptor_pb2.FileDescriptorProto()
    public.DESCRIPTOR.CopyToProto(theirs)
    assert shape(compiled[name]) == shape(theirs)


def test_both_versions_of_reflection_have_one_shape(compiled):
    older = compiled["grpc/reflection/v1alpha/reflection.proto"]
    newer = compiled["grpc/reflection/v1/reflection.proto"]
    renamed = repr(shape(older)).replace("v1alpha", "v1")
    assert renamed == repr(shape(newer))


# --- Health ---


@pytest.fixture(scope="module")
def health(channel):
    return health_pb2_grpc.HealthStub(channel)


def ask(service=""):
    return health_pb2.HealthCheckRequest(service=service)


class Watch:
    """A watch whose answers arrive one by one."""

    def __init__(self, stub, service=""):
        self.call = stub.Watch(ask(service))
        self.answers = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for answer in self.call:
                self.answers.put(answer.status)
        except grpc.RpcError as error:
            self.answers.put(error.code())

    def next(self):
        return self.answers.get(timeout=TIMEOUT)

    def until(self, status):
        while self.next() != status:
            pass


@pytest.mark.parametrize("service", ["", *sorted(WALLET | INFRASTRUCTURE)])
def test_every_service_is_serving(health, service):
    assert health.Check(ask(service), timeout=TIMEOUT).status == Status.SERVING


def test_an_unknown_service_is_not_found(health):
    assert refusal(lambda: health.Check(ask("mobo.none.v1.None"), timeout=TIMEOUT)) == grpc.StatusCode.NOT_FOUND


def test_the_list_has_every_service(health):
    statuses = health.List(health_pb2.HealthListRequest(), timeout=TIMEOUT).statuses
    assert {"", *WALLET, *INFRASTRUCTURE} <= set(statuses)
    assert {answer.status for answer in statuses.values()} == {Status.SERVING}


def test_a_watch_of_an_unknown_service_stays_open(health):
    watch = Watch(health, "mobo.none.v1.None")
    assert watch.next() == Status.SERVICE_UNKNOWN
    assert watch.call.is_active()
    watch.call.cancel()
    assert watch.next() == grpc.StatusCode.CANCELLED


def test_watchers_hear_that_the_database_is_lost_and_back(mongodb_uri):
    port = pymongo.uri_parser.parse_uri(mongodb_uri)["nodelist"][0][1]
    proxy = Proxy(port)
    # Otherwise the driver would go where the replica set says it is, past the proxy.
    uri = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true&heartbeatFrequencyMS=500"
    with contextlib.closing(proxy), wallet_of(mongodb_uri, {"MONGODB_URI": uri}) as deployment:
        with deployment.channel("wallet") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            watches = [Watch(stub, service) for service in ("", *WALLET)]
            assert [watch.next() for watch in watches] == [Status.SERVING] * 3
            proxy.cut()
            assert [watch.next() for watch in watches] == [Status.NOT_SERVING] * 3
            proxy.restore()
            assert [watch.next() for watch in watches] == [Status.SERVING] * 3
        assert deployment["wallet"].stop() == 0


def test_a_service_follows_what_it_needs_and_the_process_does_not(mongodb_uri):
    user, internal = "mobo.wallet.v1.WalletService", "mobo.wallet.v1.WalletInternalService"
    with wallet_of(mongodb_uri) as deployment, deployment.channel("wallet") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watch = Watch(stub, user)
        assert watch.next() == Status.SERVING
        assert deployment["identity"].stop() == 0
        assert watch.next() == Status.NOT_SERVING
        for other in ("", internal):
            assert stub.Check(ask(other), timeout=TIMEOUT).status == Status.SERVING
        deployment["identity"].start()
        assert watch.next() == Status.SERVING


def test_watchers_hear_of_a_drain_before_their_connection_is_told_to_go(mongodb_uri):
    with wallet_of(mongodb_uri) as deployment, deployment.channel("wallet") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watches = [Watch(stub, service) for service in ("", *WALLET)]
        assert [watch.next() for watch in watches] == [Status.SERVING] * 3
        assert deployment["wallet"].stop() == 0
        assert [watch.next() for watch in watches] == [Status.NOT_SERVING] * 3
        assert {watch.next() for watch in watches} == {grpc.StatusCode.UNAVAILABLE}


def test_not_serving_goes_out_before_goaway(mongodb_uri):
    serving, not_serving = (health_pb2.HealthCheckResponse(status=one) for one in (Status.SERVING, Status.NOT_SERVING))
    head = tuple(field if field[0] != ":path" else (":path", "/grpc.health.v1.Health/Watch") for field in h2.CALL)
    deployment = Deployment(mongodb_uri)
    try:
        deployment["wallet"].start()
        with h2.RawConnection(deployment.grpc_ports["wallet"]) as connection:
            connection.ready()
            connection.send(connection.headers(1, head) + h2.frame(h2.DATA, h2.END_STREAM, 1, h2.message(b"")))
            first = connection.until(lambda frame: frame.kind == h2.DATA)
            assert first.payload == h2.message(serving.SerializeToString())
            deployment["wallet"].process.terminate()
            second = connection.until(lambda frame: frame.kind in (h2.DATA, h2.GOAWAY))
            assert second.kind == h2.DATA
            assert second.payload == h2.message(not_serving.SerializeToString())
            connection.until(lambda frame: frame.kind == h2.GOAWAY)
        assert deployment["wallet"].process.wait(timeout=60) == 0
    finally:
        deployment.close()


# --- Reflection ---


@pytest.fixture(scope="module")
def reflected(channel):
    return proto_reflection_descriptor_database.ProtoReflectionDescriptorDatabase(channel)


@pytest.fixture(scope="module")
def v1():
    return load("grpc.reflection.v1.reflection_pb2")


def converse(stub, requests):
    return list(stub.ServerReflectionInfo(iter(requests), timeout=TIMEOUT))


def files_of(answer):
    return [
        descriptor_pb2.FileDescriptorProto.FromString(one)
        for one in answer.file_descriptor_response.file_descriptor_proto]


def test_every_service_of_the_process_is_listed(reflected):
    assert set(reflected.get_services()) >= WALLET | INFRASTRUCTURE


def test_every_file_of_every_service_builds(reflected):
    pool = descriptor_pool.DescriptorPool(reflected)
    for name in reflected.get_services():
        service = pool.FindServiceByName(name)
        for method in service.methods:
            assert message_factory.GetMessageClass(method.input_type) is not None
            assert message_factory.GetMessageClass(method.output_type) is not None


def test_a_method_is_called_with_what_reflection_told(reflected, channel):
    pool = descriptor_pool.DescriptorPool(reflected)
    method = pool.FindServiceByName("grpc.health.v1.Health").FindMethodByName("Check")
    request, response = (message_factory.GetMessageClass(one) for one in (method.input_type, method.output_type))
    call = channel.unary_unary("/grpc.health.v1.Health/Check", request.SerializeToString, response.FromString)
    assert call(request(), timeout=TIMEOUT).status == Status.SERVING


def test_files_are_what_the_stock_compiler_makes_of_the_protos(reflected, compiled):
    for name in ("mobo/wallet/v1/wallet_service.proto", "mobo/common/v1/rules.proto", "grpc/health/v1/health.proto"):
        # The compilers differ in whether they spell out a default; the wire does not know.
        assert shape(reflected.FindFileByName(name)) == shape(compiled[name])


def test_options_of_our_own_are_kept(reflected):
    file = reflected.FindFileByName("mobo/wallet/v1/wallet_service.proto")
    assert all(method.HasField("options") for service in file.service for method in service.method)
    assert not file.HasField("source_code_info")


def test_extensions_are_found(reflected, channel):
    options = "google.protobuf.MethodOptions"
    assert list(reflected.FindAllExtensionNumbers(options)) == [50001]
    wanted = reflection_pb2.ExtensionRequest(containing_type=options, extension_number=50001)
    [answer] = converse(
        reflection_pb2_grpc.ServerReflectionStub(channel),
        [reflection_pb2.ServerReflectionRequest(file_containing_extension=wanted)])
    assert files_of(answer)[0].name == "mobo/common/v1/rules.proto"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_one_stream_answers_many_questions_and_outlives_refusals(channel, v1, version):
    if version == "v1":
        pb2, stub = v1, load("grpc.reflection.v1.reflection_pb2_grpc").ServerReflectionStub(channel)
    else:
        pb2, stub = reflection_pb2, reflection_pb2_grpc.ServerReflectionStub(channel)
    requests = [
        pb2.ServerReflectionRequest(host="some.host", file_by_filename="mobo/wallet/v1/wallet.proto"),
        pb2.ServerReflectionRequest(file_by_filename="no/such.proto"),
        pb2.ServerReflectionRequest(file_containing_symbol="mobo.wallet.v1.WalletService.Deposit"),
        pb2.ServerReflectionRequest(file_containing_symbol="mobo.order.v1.OrderService"),
        pb2.ServerReflectionRequest(
            file_containing_extension=pb2.ExtensionRequest(containing_type="mobo.none", extension_number=1)),
        pb2.ServerReflectionRequest(all_extension_numbers_of_type="mobo.none"),
        pb2.ServerReflectionRequest(all_extension_numbers_of_type="mobo.wallet.v1.Wallet"),
        pb2.ServerReflectionRequest(host=" spaces are kept "),
        pb2.ServerReflectionRequest(list_services="*"),
    ]
    answers = converse(stub, requests)
    assert [answer.original_request for answer in answers] == requests
    assert [answer.valid_host for answer in answers] == [request.host for request in requests]
    kinds = [answer.WhichOneof("message_response") for answer in answers]
    file, error = "file_descriptor_response", "error_response"
    assert kinds == [
        file, error, file, error, error, error, "all_extension_numbers_response", error, "list_services_response"]
    codes = [answer.error_response.error_code for answer in answers if answer.HasField("error_response")]
    assert codes == [grpc.StatusCode.NOT_FOUND.value[0]] * 4 + [grpc.StatusCode.INVALID_ARGUMENT.value[0]]


def test_a_file_comes_with_everything_it_imports(channel, v1):
    stub = load("grpc.reflection.v1.reflection_pb2_grpc").ServerReflectionStub(channel)
    name = "mobo/wallet/v1/wallet_service.proto"
    [answer] = converse(stub, [v1.ServerReflectionRequest(file_by_filename=name)])
    files = files_of(answer)
    names = {file.name for file in files}
    assert files[0].name == name
    assert {imported for file in files for imported in file.dependency} <= names
    assert {"google/protobuf/descriptor.proto", "google/protobuf/timestamp.proto"} <= names


def test_what_is_asked_for_is_switched_off_by_configuration(mongodb_uri):
    deployment = Deployment(mongodb_uri, extra={"GRPC_INTROSPECTION": "false"})
    try:
        deployment["wallet"].start()
        with deployment.channel("wallet") as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            assert refusal(lambda: converse(stub, [request])) == grpc.StatusCode.UNIMPLEMENTED
            health = health_pb2_grpc.HealthStub(channel)
            statuses = health.List(health_pb2.HealthListRequest(), timeout=TIMEOUT).statuses
            assert set(statuses) == {"", "grpc.health.v1.Health", *WALLET}
    finally:
        deployment.close()


# --- Channelz ---


@pytest.fixture(scope="module")
def channelz(channel):
    return channelz_pb2_grpc.ChannelzStub(channel)


@pytest.fixture()
def server(channelz):
    answer = channelz.GetServers(channelz_pb2.GetServersRequest(), timeout=TIMEOUT)
    assert answer.end
    [server] = answer.server
    return server


def sockets(channelz, server, **request):
    return channelz.GetServerSockets(
        channelz_pb2.GetServerSocketsRequest(server_id=server.ref.server_id, **request), timeout=TIMEOUT)


def socket(channelz, reference):
    return channelz.GetSocket(
        channelz_pb2.GetSocketRequest(socket_id=reference.socket_id), timeout=TIMEOUT).socket


def test_the_server_counts_its_calls(channelz, health, server):
    health.Check(ask(), timeout=TIMEOUT)
    refusal(lambda: health.Check(ask("mobo.none.v1.None"), timeout=TIMEOUT))
    request = channelz_pb2.GetServerRequest(server_id=server.ref.server_id)
    after = channelz.GetServer(request, timeout=TIMEOUT).server
    assert after.data.calls_started == server.data.calls_started + 3
    # The call that asks has not ended yet.
    assert after.data.calls_succeeded == server.data.calls_succeeded + 2
    assert after.data.calls_failed == server.data.calls_failed + 1
    assert after.data.last_call_started_timestamp.seconds > 0
    assert after.data.trace.creation_timestamp.seconds > 0
    assert any("listening" in event.description for event in after.data.trace.events)


def test_the_listening_socket_has_the_port_of_the_service(channelz, server, running):
    [reference] = server.listen_socket
    address = socket(channelz, reference).local.tcpip_address
    assert (address.ip_address, address.port) == (b"\x7f\0\0\x01", running.grpc_ports["wallet"])


def test_the_connection_that_asks_is_among_the_sockets(channelz, server, running):
    found = [socket(channelz, reference) for reference in sockets(channelz, server).socket_ref]
    assert found
    for one in found:
        assert one.local.tcpip_address.port == running.grpc_ports["wallet"]
        assert one.ref.name == f"127.0.0.1:{one.remote.tcpip_address.port}"
        assert one.data.streams_started >= one.data.streams_succeeded + one.data.streams_failed
        assert one.data.local_flow_control_window.value > 0
        assert not one.HasField("security")
    busiest = max(found, key=lambda one: one.data.messages_received)
    assert busiest.data.messages_sent > 0
    assert busiest.data.last_remote_stream_created_timestamp.seconds > 0
    assert not busiest.data.HasField("last_local_stream_created_timestamp")


def test_lists_come_in_pages(channelz, server, running):
    with contextlib.ExitStack() as stack:
        for number in range(3):
            # Without an option of its own a channel shares the connection of the others.
            target = f"127.0.0.1:{running.grpc_ports['wallet']}"
            other = stack.enter_context(grpc.insecure_channel(target, [("mobo.test", number)]))
            health_pb2_grpc.HealthStub(other).Check(ask(), timeout=TIMEOUT)
        everything = [reference.socket_id for reference in sockets(channelz, server).socket_ref]
        assert len(everything) >= 4 and everything == sorted(everything)
        found, start = [], 0
        while True:
            page = sockets(channelz, server, start_socket_id=start, max_results=2)
            assert len(page.socket_ref) <= 2
            found += [reference.socket_id for reference in page.socket_ref]
            if page.end:
                break
            start = found[-1] + 1
        assert found == everything


def test_ids_of_nothing_are_not_found(channelz):
    for method, request in (
            (channelz.GetServer, channelz_pb2.GetServerRequest(server_id=999_999)),
            (channelz.GetServerSockets, channelz_pb2.GetServerSocketsRequest(server_id=999_999)),
            (channelz.GetChannel, channelz_pb2.GetChannelRequest(channel_id=999_999)),
            (channelz.GetSubchannel, channelz_pb2.GetSubchannelRequest(subchannel_id=999_999)),
            (channelz.GetSocket, channelz_pb2.GetSocketRequest(socket_id=999_999))):
        assert refusal(lambda: method(request, timeout=TIMEOUT)) == grpc.StatusCode.NOT_FOUND


def test_a_negative_number_of_results_is_refused(channelz):
    request = channelz_pb2.GetServersRequest(max_results=-1)
    assert refusal(lambda: channelz.GetServers(request, timeout=TIMEOUT)) == grpc.StatusCode.INVALID_ARGUMENT


# --- Every executable ---


@pytest.fixture(scope="module")
def everybody(mongodb_uri):
    deployment = Deployment(mongodb_uri)
    try:
        yield deployment.start()
    finally:
        deployment.close()


@pytest.mark.parametrize("name", SERVICES)
def test_every_process_shows_itself(everybody, name):
    with everybody.channel(name) as channel:
        listed = proto_reflection_descriptor_database.ProtoReflectionDescriptorDatabase(channel).get_services()
        assert INFRASTRUCTURE <= set(listed) and f"mobo.{name}.v1.{name.capitalize()}Service" in listed
        statuses = health_pb2_grpc.HealthStub(channel).List(health_pb2.HealthListRequest(), timeout=TIMEOUT).statuses
        assert set(statuses) == {"", *listed}
        answer = channelz_pb2_grpc.ChannelzStub(channel).GetServers(channelz_pb2.GetServersRequest(), timeout=TIMEOUT)
        assert len(answer.server) == 1


def test_channels_lead_to_subchannels_and_sockets(everybody):
    with everybody.channel("order") as channel:
        await_serving(channel, ["mobo.order.v1.OrderService"])
        stub = channelz_pb2_grpc.ChannelzStub(channel)
        answer = stub.GetTopChannels(channelz_pb2.GetTopChannelsRequest(), timeout=TIMEOUT)
        assert answer.end
        port = everybody.grpc_ports["wallet"]
        [wallet] = [one for one in answer.channel if one.data.target == f"127.0.0.1:{port}"]
        assert wallet.data.state.state == channelz_pb2.ChannelConnectivityState.READY
        # Order watches the health of wallet: one call, which lasts.
        assert wallet.data.calls_started > wallet.data.calls_succeeded + wallet.data.calls_failed
        assert wallet.data.trace.num_events_logged >= len(wallet.data.trace.events) > 0
        request = channelz_pb2.GetChannelRequest(channel_id=wallet.ref.channel_id)
        assert stub.GetChannel(request, timeout=TIMEOUT).channel.ref == wallet.ref

        [reference] = wallet.subchannel_ref
        request = channelz_pb2.GetSubchannelRequest(subchannel_id=reference.subchannel_id)
        subchannel = stub.GetSubchannel(request, timeout=TIMEOUT).subchannel
        assert subchannel.ref == reference
        assert subchannel.data.target == f"127.0.0.1:{port}"
        assert subchannel.data.state.state == channelz_pb2.ChannelConnectivityState.READY
        assert subchannel.data.calls_started > 0

        [reference] = subchannel.socket_ref
        connection = socket(stub, reference)
        assert connection.remote.tcpip_address.port == port
        assert connection.data.streams_started > 0 and connection.data.messages_received > 0
        assert connection.data.peer_max_concurrent_streams > 0
        assert connection.data.HasField("last_local_stream_created_timestamp")


@pytest.mark.parametrize("name, own", [
    ("bench-echo", "bench.v1.Echo"), ("interop-server", "grpc.testing.TestService")])
def test_the_servers_of_the_tests_show_themselves_too(name, own):
    binary = pathlib.Path(os.environ["MOBO_BIN_DIR"]) / name
    process = subprocess.Popen([str(binary), "--port", "0"], stderr=subprocess.PIPE, text=True)
    try:
        address = json.loads(process.stderr.readline())["grpc"]
        with grpc.insecure_channel(address) as channel:
            listed = proto_reflection_descriptor_database.ProtoReflectionDescriptorDatabase(channel).get_services()
            assert {own, *INFRASTRUCTURE} <= set(listed)
            health = health_pb2_grpc.HealthStub(channel)
            assert {health.Check(ask(one), timeout=TIMEOUT).status for one in ("", own)} == {Status.SERVING}
    finally:
        process.terminate()
        process.communicate(timeout=15)
