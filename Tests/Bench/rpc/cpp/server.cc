// The peer "cpp": bench.v1.Echo on grpc C++, `server PORT async|callback`, one thread of our own.
//
// Both APIs are there because neither is the cheaper one at every load.
#include <grpcpp/grpcpp.h>

#include <iostream>
#include <memory>
#include <string>

#include "echo.grpc.pb.h"

namespace {

// Calls waiting to be matched with a request, as many as the widest load has streams: none waits for another.
constexpr int kWaitingCalls = 256;

// A call of the completion queue: it waits for a request, answers it, and then makes room for the next.
struct AsyncCall {
  enum class State { waiting, answering };

  grpc::ServerContext context;
  bench::v1::Payload message;
  grpc::ServerAsyncResponseWriter<bench::v1::Payload> writer{&context};
  State state = State::waiting;
};

void Wait(bench::v1::Echo::AsyncService& service, grpc::ServerCompletionQueue& queue) {
  auto* call = new AsyncCall;
  service.RequestUnary(&call->context, &call->message, &call->writer, &queue, &queue, call);
}

int ServeAsync(const std::string& address) {
  bench::v1::Echo::AsyncService service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  auto queue = builder.AddCompletionQueue();
  auto server = builder.BuildAndStart();
  if (!server) return 69;
  for (int i = 0; i < kWaitingCalls; ++i) Wait(service, *queue);

  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) {
    auto* call = static_cast<AsyncCall*>(tag);
    if (ok && call->state == AsyncCall::State::waiting) {
      Wait(service, *queue);
      call->state = AsyncCall::State::answering;
      call->writer.Finish(call->message, grpc::Status::OK, call);
    } else {
      delete call;
    }
  }
  return 0;
}

class CallbackEcho final : public bench::v1::Echo::CallbackService {
 public:
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, const bench::v1::Payload* request,
                                  bench::v1::Payload* response) override {
    response->set_data(request->data());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

int ServeCallback(const std::string& address) {
  CallbackEcho service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  if (!server) return 69;
  server->Wait();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string api = argc == 3 ? argv[2] : "";
  if (api != "async" && api != "callback") {
    std::cerr << "usage: server PORT async|callback\n";
    return 64;
  }
  const std::string address = std::string("127.0.0.1:") + argv[1];
  return api == "async" ? ServeAsync(address) : ServeCallback(address);
}
