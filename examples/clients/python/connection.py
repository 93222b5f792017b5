"""The connection to a server: its channel, its interface, calls and their errors."""

import time
import uuid

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

PACKAGE = "spotcheck.v1"
# How often a call is made while the server starts or stops, and the first wait in seconds.
ATTEMPTS = 5
WAIT_SECONDS = 0.5


class WithMetadata(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Sends a request id with every call, and the token if there is one."""

    def __init__(self, token):
        self.token = token

    def _more(self, details):
        metadata = list(details.metadata or [])
        metadata.append(("x-request-id", uuid.uuid4().hex))
        if self.token:
            metadata.append(("authorization", f"Bearer {self.token}"))
        return details._replace(metadata=metadata)

    def intercept_unary_unary(self, go_on, details, request):
        return go_on(self._more(details), request)

    intercept_unary_stream = intercept_unary_unary
    intercept_stream_unary = intercept_unary_unary
    intercept_stream_stream = intercept_unary_unary


def _read(path):
    with open(path, "rb") as file:
        return file.read()


class Connection:
    """A server, as it describes itself."""

    def __init__(self, server, ca=None, cert=None, key=None, token_file=None, timeout=None):
        if ca:
            credentials = grpc.ssl_channel_credentials(
                _read(ca), _read(key) if key else None, _read(cert) if cert else None
            )
            channel = grpc.secure_channel(server, credentials)
        else:
            channel = grpc.insecure_channel(server)
        token = _read(token_file).decode().strip() if token_file else None
        self.timeout = timeout
        self.channel = grpc.intercept_channel(channel, WithMetadata(token))
        self.pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def message(self, name):
        """The class of a message of the interface."""
        descriptor = self.pool.FindMessageTypeByName(f"{PACKAGE}.{name}")
        return message_factory.GetMessageClass(descriptor)

    def enum(self, name):
        """The numbers of an enum by their names, without the enum's name in front."""
        values = self.pool.FindEnumTypeByName(f"{PACKAGE}.{name}").values
        return {value.name: value.number for value in values}

    def call(self, service, method, request):
        """Calls a method; `request` is a message, or a function that makes a new iterator of
        messages where the method takes a stream. A stream of answers comes as an iterator.

        Calls with one answer that a starting or stopping server refuses are made again. That is
        safe: reads change nothing, and what changes something carries a request id. A stream of
        answers shows its error only when it is read, and is not made again.
        """
        found = self.pool.FindServiceByName(f"{PACKAGE}.{service}").FindMethodByName(method)
        kind = ("stream" if found.client_streaming else "unary") + (
            "_stream" if found.server_streaming else "_unary"
        )
        stub = getattr(self.channel, kind)(
            f"/{PACKAGE}.{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(found.output_type).FromString,
        )
        for attempt in range(ATTEMPTS):
            try:
                given = request() if callable(request) else request
                return stub(given, timeout=self.timeout)
            except grpc.RpcError as error:
                last = attempt + 1 == ATTEMPTS
                if last or error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                time.sleep(WAIT_SECONDS * 2**attempt)


def details(error):
    """The stable reason of an error, and everything that it names."""
    reason, places = "", []
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        unmet = error_details_pb2.PreconditionFailure()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(bad):
            places += [f"{one.field}: {one.description}" for one in bad.field_violations]
        elif detail.Unpack(unmet):
            places += [f"{one.type} {one.subject}: {one.description}" for one in unmet.violations]
    return reason, places
