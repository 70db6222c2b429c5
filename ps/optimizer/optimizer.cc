#include "ps/optimizer/optimizer.h"

#include "common/check.h"
#include "ps/optimizer/adagrad.h"
#include "ps/optimizer/adam.h"
#include "ps/optimizer/ftrl.h"
#include "ps/optimizer/ledger.h"
#include "ps/optimizer/momentum.h"
#include "ps/optimizer/rmsprop.h"
#include "ps/optimizer/sgd.h"

namespace freshet::ps {

std::unique_ptr<Optimizer> MakeOptimizer(const proto::Optimizer& options, uint32_t dim) {
  switch (options.kind_case()) {
    case proto::Optimizer::kSgd:
      return MakeSgd(options, dim);
    case proto::Optimizer::kAdagrad:
      return MakeAdagrad(options, dim);
    case proto::Optimizer::kFtrl:
      return MakeFtrl(options, dim);
    case proto::Optimizer::kAdam:
      return MakeAdam(options, dim);
    case proto::Optimizer::kMomentum:
      return MakeMomentum(options, dim);
    case proto::Optimizer::kAdamw:
      return MakeAdamW(options, dim);
    case proto::Optimizer::kRmsprop:
      return MakeRmsProp(options, dim);
    case proto::Optimizer::kGroupLassoFtrl:
      return MakeGroupLassoFtrl(options, dim);
    case proto::Optimizer::kLedger:
      FRESHET_CHECK(dim == kLedgerDim);
      return MakeLedger();
    case proto::Optimizer::KIND_NOT_SET:
      break;
  }
  FRESHET_UNREACHABLE();
}

}  // namespace freshet::ps
