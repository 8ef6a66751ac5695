/* SPDX-License-Identifier: Apache-2.0 */
/* Everything of the stable API in one include. */
#ifndef PITH_H
#define PITH_H

#include "pith/diagnose.h"
#include "pith/image.h"
#include "pith/model.h"
#include "pith/object.h"
#include "pith/operators.h"
#include "pith/optimize.h"
#include "pith/package.h"
#include "pith/profile.h"
#include "pith/quantize.h"
#include "pith/session.h"
#include "pith/status.h"
#include "pith/tensor.h"
#include "pith/view.h"
#include "pith/tune.h"

#endif
