// A program that uses CUDA: it prints the UUID of every GPU that it sees. With an argument it also makes the first one fail
// on an address that nobody has, which the driver tells of as XID 31.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static void *lib;

static void *function(const char *name) {
	void *f = dlsym(lib, name);
	if (!f)
		exit(3);
	return f;
}

static void must(const char *what, int result) {
	if (result) {
		fprintf(stderr, "%s: CUDA error %d\n", what, result);
		exit(1);
	}
}

static const char kernel[] =
	".version 7.0\n.target sm_70\n.address_size 64\n"
	".visible .entry fault() { .reg .u64 %a; .reg .u32 %b; mov.u64 %a, 64; mov.u32 %b, 1; st.global.u32 [%a], %b; ret; }\n";

static void fault(int device) {
	void *context, *module, *f;
	int (*create)(void **, unsigned, int) = function("cuCtxCreate_v2");
	int (*load)(void **, const void *) = function("cuModuleLoadData");
	int (*find)(void **, void *, const char *) = function("cuModuleGetFunction");
	int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **) =
		function("cuLaunchKernel");
	int (*wait)(void) = function("cuCtxSynchronize");
	must("context", create(&context, 0, device));
	must("module", load(&module, kernel));
	must("function", find(&f, module, "fault"));
	must("launch", launch(f, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0));
	if (!wait())
		exit(4); // it should have failed
}

int main(int argc, char **argv) {
	int n, device;
	unsigned char u[16];
	if (!(lib = dlopen("libcuda.so.1", RTLD_NOW)))
		return 2;
	int (*init)(unsigned) = function("cuInit");
	int (*count)(int *) = function("cuDeviceGetCount");
	int (*get)(int *, int) = function("cuDeviceGet");
	int (*uuid)(void *, int) = function("cuDeviceGetUuid_v2");
	int result = init(0);
	if (result == 100) // no device: what an empty CUDA_VISIBLE_DEVICES comes to
		return 0;
	must("init", result);
	must("count", count(&n));
	for (int i = 0; i < n; i++) {
		must("device", get(&device, i));
		must("UUID", uuid(u, device));
		for (int b = 0; b < 16; b++)
			printf(b == 4 || b == 6 || b == 8 || b == 10 ? "-%02x" : "%02x", u[b]);
		puts("");
	}
	fflush(stdout);
	if (argc > 1)
		fault(0);
	return 0;
}
