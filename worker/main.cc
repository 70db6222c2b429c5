#include "common/process/process.h"
#include "worker/role.h"

int main(int argc, char** argv) {
  return freshet::RunRoleMain(argc,
                              argv,
                              "worker",
                              "Reads sample streams, trains the model, pushes gradients.",
                              freshet::worker::StartWorker);
}
