#include "common/process/process.h"
#include "coordinator/role.h"

int main(int argc, char** argv) {
  return freshet::RunRoleMain(argc,
                              argv,
                              "coordinator",
                              "keeps the members of a Freshet cluster together and makes versions",
                              freshet::StartCoordinator);
}
