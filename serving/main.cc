#include "common/process/process.h"
#include "serving/role.h"

int main(int argc, char** argv) {
  return freshet::RunRoleMain(
      argc,
      argv,
      "serving",
      "Follows the versions of a model and answers predict, recall and recommend over HTTP.",
      freshet::serving::StartServing);
}
