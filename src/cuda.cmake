# libweft_cuda.so: everything that needs CUDA, NCCL and LibTorch's CUDA half. It shows nothing but its three functions and
# has its own copies of what it needs of the modules below it, so that it fits under any program of this build.
set(CMAKE_CUDA_COMPILER ${WEFT_NVCC})
set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100)  # and PTX of the last, for what comes after it
if(WEFT_CCACHE)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${WEFT_CCACHE})
endif()
enable_language(CUDA)
foreach(dialect STANDARD EXTENSION)
  set(CMAKE_CUDA20_${dialect}_COMPILE_OPTION -std=c++20)  # CMake 3.25 does not know that nvcc has it
endforeach()

file(GLOB cuda_sources CONFIGURE_DEPENDS kernels/cuda/*.cu comm/nccl/*.cpp device/cuda/*.cpp)
add_library(weft_cuda MODULE ${cuda_sources} comm/buffers.cpp comm/collectively.cpp comm/pending.cpp core/error.cpp core/log.cpp
  core/main_thread.cpp core/phase.cpp core/section.cpp core/version.cpp)
add_dependencies(weft_cuda weft_commit)
set_target_properties(weft_cuda PROPERTIES
  LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR} CUDA_RUNTIME_LIBRARY Shared
  CXX_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
target_include_directories(weft_cuda PRIVATE ${PROJECT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR})
target_include_directories(weft_cuda SYSTEM PRIVATE ${WEFT_CUDA_INCLUDES})
target_compile_options(weft_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Werror;-march=x86-64-v3>
  "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter \"${torch_root}/torch/include\">"
  $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-Werror=all-warnings;-Xcompiler=-Wall,-Werror>)
# The libraries of CUDA that LibTorch brings along come before the system's.
set(torch_cuda_folders ${torch_root}/nvidia/cu13/lib ${torch_root}/nvidia/nccl/lib ${torch_root}/nvidia/cusparselt/lib
  ${torch_root}/nvidia/nvshmem/lib)
list(JOIN torch_cuda_folders ":" torch_cuda_path)
target_link_libraries(weft_cuda PRIVATE fmt::fmt spdlog::spdlog Threads::Threads ${torch_root}/torch/lib/libtorch_cpu.so
  ${torch_root}/torch/lib/libc10.so -Wl,--no-as-needed ${torch_root}/torch/lib/libtorch_cuda.so
  ${torch_root}/torch/lib/libc10_cuda.so ${nccl_library} -Wl,--as-needed)
# Old dtags: an RPATH also serves what LibTorch's CUDA half needs by itself (cuDNN, cuBLAS...), a RUNPATH does not.
target_link_options(weft_cuda PRIVATE "LINKER:--exclude-libs,ALL" "LINKER:--no-undefined" "LINKER:--disable-new-dtags"
  "LINKER:-rpath,${torch_root}/torch/lib:${torch_cuda_path}:${cuda_root}/lib64" "LINKER:-rpath-link,${torch_cuda_path}")
install(TARGETS weft_cuda LIBRARY DESTINATION lib)
