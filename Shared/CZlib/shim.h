#ifndef MOBO_CZLIB_SHIM_H
#define MOBO_CZLIB_SHIM_H

#include <zlib.h>

#endif
