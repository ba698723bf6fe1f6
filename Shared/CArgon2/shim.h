#ifndef MOBO_CARGON2_SHIM_H
#define MOBO_CARGON2_SHIM_H

#include <argon2.h>

#endif
