#include "common/model/dense/gemm.h"

#include <dnnl.h>

#include <dnnl.hpp>
#include <map>
#include <tuple>

#include "common/check.h"

// Of libgomp, which oneDNN runs on. GCC has a header for it, other compilers have not.
extern "C" void omp_set_num_threads(int threads);

namespace freshet {
namespace {

// A worker's threads each do their own work: a product that spread over all cores would take them
// from the stages beside it.
void UseOneThread() {
  thread_local const bool one_thread = [] {
    omp_set_num_threads(1);
    return true;
  }();
  FRESHET_CHECK(one_thread);
}

// The products of bf16 that one thread has met, compiled for their shapes.
class Bf16Products {
 public:
  // Null: the processor has none.
  const dnnl::matmul* Find(const GemmShape& shape, bool a_transposed, bool b_transposed) {
    const Key key{shape.m, shape.n, shape.k, shape.add, a_transposed, b_transposed};
    const auto known = products_.find(key);
    if (known != products_.end()) {
      return &known->second;
    }
    if (products_.size() >= kMostShapes) {
      products_.clear();  // the sizes of batches that were not full
    }
    try {
      return &products_.emplace(key, Make(shape, a_transposed, b_transposed)).first->second;
    } catch (const dnnl::error& error) {
      FRESHET_CHECK(error.status == dnnl_unimplemented);
      return nullptr;
    }
  }

  const dnnl::engine& engine() const { return engine_; }

  dnnl::stream& stream() { return stream_; }

  static dnnl::memory::desc Describe(size_t rows, size_t columns, bool transposed) {
    return {{static_cast<dnnl_dim_t>(rows), static_cast<dnnl_dim_t>(columns)},
            dnnl::memory::data_type::bf16,
            transposed ? dnnl::memory::format_tag::ba : dnnl::memory::format_tag::ab};
  }

  static dnnl::memory::desc DescribeOut(const GemmShape& shape) {
    return {{static_cast<dnnl_dim_t>(shape.m), static_cast<dnnl_dim_t>(shape.n)},
            dnnl::memory::data_type::f32,
            dnnl::memory::format_tag::ab};
  }

 private:
  using Key = std::tuple<size_t, size_t, size_t, bool, bool, bool>;

  static constexpr size_t kMostShapes = 1024;

  dnnl::matmul Make(const GemmShape& shape, bool a_transposed, bool b_transposed) const {
    dnnl::primitive_attr attributes;
    if (shape.add) {
      dnnl::post_ops sum;
      sum.append_sum(1.0F);
      attributes.set_post_ops(sum);
    }
    const dnnl::matmul::desc description(Describe(shape.m, shape.k, a_transposed),
                                         Describe(shape.k, shape.n, b_transposed),
                                         DescribeOut(shape));
    return dnnl::matmul(dnnl::matmul::primitive_desc(description, attributes, engine_));
  }

  const dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::map<Key, dnnl::matmul> products_;
};

}  // namespace

void Gemm(const GemmOperand<float>& a,
          const GemmOperand<float>& b,
          const GemmShape& shape,
          float* out) {
  UseOneThread();
  const dnnl_status_t status = dnnl_sgemm(a.transposed ? 'T' : 'N',
                                          b.transposed ? 'T' : 'N',
                                          static_cast<dnnl_dim_t>(shape.m),
                                          static_cast<dnnl_dim_t>(shape.n),
                                          static_cast<dnnl_dim_t>(shape.k),
                                          1.0F,
                                          a.values,
                                          static_cast<dnnl_dim_t>(a.columns),
                                          b.values,
                                          static_cast<dnnl_dim_t>(b.columns),
                                          shape.add ? 1.0F : 0.0F,
                                          out,
                                          static_cast<dnnl_dim_t>(shape.n));
  FRESHET_CHECK(status == dnnl_success);
}

bool GemmBf16(const GemmOperand<uint16_t>& a,
              const GemmOperand<uint16_t>& b,
              const GemmShape& shape,
              float* out) {
  UseOneThread();
  thread_local Bf16Products products;
  const dnnl::matmul* const product = products.Find(shape, a.transposed, b.transposed);
  if (product == nullptr) {
    return false;
  }
  // oneDNN does not write to what it reads, but its handles are not const.
  const dnnl::memory a_memory(Bf16Products::Describe(shape.m, shape.k, a.transposed),
                              products.engine(),
                              const_cast<uint16_t*>(a.values));
  const dnnl::memory b_memory(Bf16Products::Describe(shape.k, shape.n, b.transposed),
                              products.engine(),
                              const_cast<uint16_t*>(b.values));
  const dnnl::memory out_memory(Bf16Products::DescribeOut(shape), products.engine(), out);
  product->execute(
      products.stream(),
      {{DNNL_ARG_SRC, a_memory}, {DNNL_ARG_WEIGHTS, b_memory}, {DNNL_ARG_DST, out_memory}});
  products.stream().wait();
  return true;
}

}  // namespace freshet
