// MKL, inside LibTorch, asks who made the processor before it asks what it can do, and keeps its AVX-512 code
// for Intel's. Answered yes, it goes by the processor's features alone: on an AMD EPYC with AVX-512 its
// products are 2.2 times as fast. A later MKL that does not ask is not disturbed by it.
extern "C" int mkl_serv_intel_cpu_true();
extern "C" int mkl_serv_intel_cpu_true() { return 1; }
