#include "common/process/process.h"
#include "ps/role.h"

int main(int argc, char** argv) {
  return freshet::RunRoleMain(argc,
                              argv,
                              "ps",
                              "Holds the rows of the model, applies gradients, writes versions.",
                              freshet::ps::StartPs);
}
