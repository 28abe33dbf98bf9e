// tfjs_binding.node: loads tfjs's own binding, which lies beside it, without what libtensorflow writes to the standard
// error meanwhile: which processor it runs on, from static initialisers that none of its settings reaches. Only where
// TF_CPP_MIN_LOG_LEVEL asks for warnings or less.

#include <dlfcn.h>
#include <fcntl.h>
#include <node_api.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace {

// The standard error leads nowhere while one of these lives.
class MutedStderr {
 public:
  explicit MutedStderr(bool is_muted) {
    if (!is_muted) return;
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere < 0) return;
    kept_ = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (kept_ >= 0) dup2(nowhere, STDERR_FILENO);
    close(nowhere);
  }
  ~MutedStderr() {
    if (kept_ < 0) return;
    dup2(kept_, STDERR_FILENO);
    close(kept_);
  }

 private:
  int kept_ = -1;
};

bool WantsSilence() {
  const char* level = getenv("TF_CPP_MIN_LOG_LEVEL");
  return level != nullptr && atoi(level) > 0;
}

std::string PathBesideThisFile(const char* name) {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&PathBesideThisFile), &self) == 0) return name;
  const std::string path = self.dli_fname;
  return path.substr(0, path.rfind('/') + 1) + name;
}

}  // namespace

extern "C" NAPI_MODULE_EXPORT napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  void* binding;
  {
    const MutedStderr muted(WantsSilence());
    binding = dlopen(PathBesideThisFile("tfjs.so").c_str(), RTLD_LAZY);
  }
  void* init = binding == nullptr ? nullptr : dlsym(binding, "napi_register_module_v1");
  if (init == nullptr) {
    napi_throw_error(env, nullptr, dlerror());
    return nullptr;
  }
  return reinterpret_cast<napi_value (*)(napi_env, napi_value)>(init)(env, exports);
}
