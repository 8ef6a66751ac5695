/* SPDX-License-Identifier: Apache-2.0 */
/* The recipes. The form is that of onnx_recipe.h. Sources: the operators of early ONNX (docs/Operators.md of opset 1 to
 * 9, among them the experimental ones that exporters wrote), and ONNX Runtime's docs/ContribOperators.md. */
#include "import/onnx/onnx_recipe.h"

#define MS "com.microsoft"
#define WITH_ACTIVATION /* of a value `g`; the default parameters of the ONNX operators */ \
    "!activation Y = Identity g\n?activation=Relu Y = Relu g\n?activation=Tanh Y = Tanh g\n" \
    "?activation=Sigmoid Y = Sigmoid g\n?activation=LeakyRelu Y = LeakyRelu g alpha=$activation_alpha\n" \
    "?activation=HardSigmoid Y = HardSigmoid g alpha=$activation_alpha beta=$activation_beta\n" \
    "?activation=Elu Y = Elu g alpha=$activation_alpha\n?activation=Softplus Y = Softplus g\n" \
    "?activation=Selu Y = Selu g\n?activation=Softsign Y = Softsign g\n" \
    "?activation=ThresholdedRelu Y = ThresholdedRelu g alpha=$activation_alpha\n" \
    "?activation=Gelu Y = Gelu g\n?activation=FastGelu Y = Gelu g approximate=tanh"
#define ACTIVATION_ATTRS " activation activation_alpha activation_beta activation_gamma"
#define BATCH_FRONT(x, flag, r) /* x [M, batch..., K] -> r [batch..., M, K], temporaries r1 to r7 */ \
    "?" flag " " r "1 = Shape " x " start=1 end=-1\n?" flag " " r "2 = Shape " x " end=1\n?" flag " " r "3 = Shape " x \
    " start=-1\n?" flag " " r "4 = Concat " r "2 [-1] " r "3 axis=0\n?" flag " " r "5 = Reshape " x " " r "4\n?" \
    flag " " r "6 = Transpose " r "5 perm=[1,0,2]\n?" flag " " r "7 = Concat " r "1 " r "2 " r "3 axis=0\n" \
    "?" flag " " r " = Reshape " r "6 " r "7\n!" flag " " r " = Identity " x "\n"
#define BATCHED \
    BATCH_FRONT("A", "transBatchA", "a") \
    BATCH_FRONT("B", "transBatchB", "b") "Y = ms:FusedMatMul a b alpha=$alpha transA=$transA transB=$transB"
#define MOE_ATTRS \
    "k=1 activation_type=relu normalize_routing_weights=0 use_sparse_mixer=0 swiglu_fusion=0 swiglu_limit " \
    "activation_alpha=1.0 activation_beta=0.0"
#define EXPERTS(w, scales, zeros) /* packed w [experts, rows, bytes], scales [experts, rows] or with blocks behind */ \
    "?" w " u = pith:UnpackBits " w " bits=$expert_weight_bits\n?" w " f = CastLike u X\n?" w " n = Shape " scales \
    "\n?" w " o = Concat n [-1] axis=0\n?" w " r = Reshape f o\n?expert_weight_bits=2 z = CastLike 2 X\n" \
    "?expert_weight_bits=4 z = CastLike 8 X\n?expert_weight_bits=8 z = CastLike 128 X\n?" zeros \
    " q = pith:UnpackBits " zeros " bits=$expert_weight_bits\n?" zeros " l = Shape " scales " start=-1\n?" zeros \
    " q = Slice q [0] l [-1]\n?" zeros " q = Unsqueeze q [-1]\n?" zeros " z = CastLike q X\n?" w " d = Sub r z\n?" w \
    " s = Unsqueeze " scales " [-1]\n?" w " m = Mul d s\n?" w " " w " = Reshape m [0,0,-1]\n"
#define CONV_ATTRS "auto_pad dilations group kernel_shape pads strides"
#define CONV_VALUES \
    " auto_pad=$auto_pad dilations=$dilations group=$group kernel_shape=$kernel_shape pads=$pads strides=$strides"
#define ONE_LSTM_WEIGHT(when, from, to, s, z) /* what pass fuse_recurrent looks for */ \
    when to "1 = Reshape " s " [-1]\n" when to "2 = Reshape " z " [-1]\n" when to "3 = DequantizeLinear " from " " to \
    "1 " to "2 axis=2\n" when to " = Transpose " to "3 perm=[0,2,1]\n"
#define TWO_LSTM_WEIGHTS(from, to, s, z) /* a scale for each direction, which DequantizeLinear can't say */ \
    "?direction=bidirectional " to "1 = Shape " from " end=1\n" \
    "?direction=bidirectional " to "2 = Concat " to "1 [1,-1] axis=0\n" \
    "?direction=bidirectional " to "3 = Reshape " s " " to "2\n" \
    "?direction=bidirectional " to "4 = Reshape " z " " to "2\n" \
    "?direction=bidirectional " to "5 = Cast " from " to=1\n" "?direction=bidirectional " to "6 = Cast " to "4 to=1\n" \
    "?direction=bidirectional " to "7 = Sub " to "5 " to "6\n" \
    "?direction=bidirectional " to "8 = Mul " to "7 " to "3\n" \
    "?direction=bidirectional " to " = Transpose " to "8 perm=[0,2,1]\n"
#define POOL_ATTRS "auto_pad ceil_mode dilations kernel_shape pads strides"
#define POOL_VALUES \
    " auto_pad=$auto_pad ceil_mode=$ceil_mode dilations=$dilations kernel_shape=$kernel_shape pads=$pads " \
    "strides=$strides"
#define ATTENTION_ATTRS \
    "num_heads unidirectional scale mask_filter_value do_rotary=0 past_present_share_buffer=0"
#define ATTENTION_VALUES \
    " num_heads=$num_heads unidirectional=$unidirectional scale=$scale mask_filter_value=$mask_filter_value " \
    "do_rotary=$do_rotary past_present_share_buffer=$past_present_share_buffer"
#define MHA_VALUES \
    " num_heads=$num_heads scale=$scale unidirectional=$unidirectional mask_filter_value=$mask_filter_value"

#define GQA_INPUTS \
    "query key? value? past_key? past_value? seqlens total cos? sin? positions? bias? sink? k_scale? v_scale? " \
    "q_norm? k_norm?"
#define GQA_ATTRS \
    "num_heads kv_num_heads scale softcap do_rotary rotary_interleaved local_window_size=-1 smooth_softmax=0 " \
    "causal=1 qk_norm_epsilon=1e-6 k_quant_type=NONE v_quant_type=NONE kv_cache_bit_width sliding_window_cache=0 " \
    "qk_output=0"
#define GQA_REFUSE(type, cache) /* what the cache can't be stored as */ \
    "!" type "=NONE !" type "=PER_TENSOR !" type "=PER_CHANNEL Y = ms:GroupQueryAttention." type " query\n" \
    "!" type "=NONE ?kv_cache_bit_width !kv_cache_bit_width=8 !kv_cache_bit_width=4 " \
    "Y = ms:GroupQueryAttention.kv_cache_bit_width query\n" \
    "!" type "=NONE ?" cache " !" cache ":s8 !" cache ":u8 Y = ms:GroupQueryAttention." type " query\n"
#define STORED(x, type, scale, y) /* as the cache holds rows x: two of 4 bits in a byte, the first one low, 8 is 0 */ \
    "?" type "=NONE " y " = Identity " x "\n!" type "=NONE f = Cast " x " to=1\n!" type "=NONE f = Div f " scale "\n" \
    "!" type "=NONE f = Round f\n!" type "=NONE !kv_cache_bit_width=4 f = Clip f -128.0 127.0\n" \
    "!" type "=NONE !kv_cache_bit_width=4 " y " = Cast f to=3\n" \
    "!" type "=NONE ?kv_cache_bit_width=4 f = Clip f -8.0 7.0\n" \
    "!" type "=NONE ?kv_cache_bit_width=4 f = Add f 8.0\n" \
    "!" type "=NONE ?kv_cache_bit_width=4 f1 = Slice f [0] [2147483647] [3] [2]\n" \
    "!" type "=NONE ?kv_cache_bit_width=4 f2 = Slice f [1] [2147483647] [3] [2]\n" \
    "!" type "=NONE ?kv_cache_bit_width=4 f2 = Mul f2 16.0\n!" type "=NONE ?kv_cache_bit_width=4 f = Add f1 f2\n" \
    "!" type "=NONE ?kv_cache_bit_width=4 " y " = Cast f to=2\n"
#define LOADED(x, type, scale, y) /* the way back */ \
    "?" type "=NONE " y " = Identity " x "\n!" type "=NONE !kv_cache_bit_width=4 f = Cast " x " to=1\n" \
    "!" type "=NONE ?kv_cache_bit_width=4 f = pith:UnpackBits " x " bits=4\n" \
    "!" type "=NONE ?kv_cache_bit_width=4 f = Cast f to=1\n!" type "=NONE ?kv_cache_bit_width=4 f = Sub f 8.0\n" \
    "!" type "=NONE f = Mul f " scale "\n!" type "=NONE " y " = CastLike f query\n"
#define NO_CACHE(y, rows) \
    "!past_key d0 = Shape " rows " end=2\n!past_key d3 = Shape " rows " start=3\n" \
    "!past_key sh = Concat d0 t d3 axis=0\n!past_key " y " = Expand 0.0~" rows " sh\n"
#define RESIDENT(x, y) /* how many of x tokens a cache of c rows holds */ \
    "z1 = Sub " x " c\nz1 = Max z1 [0]\nz1 = Add z1 gap1\nz1 = Div z1 gap\nz1 = Mul z1 gap\n" y " = Sub " x " z1\n"
#define GQA_FRONT /* queries qr, new rows kn and vn, their place, the first one's o, the end e; s rows, t in all */ \
    GQA_REFUSE("k_quant_type", "past_key") GQA_REFUSE("v_quant_type", "past_value") \
    "h = Reshape $num_heads [1]\ng = Reshape $kv_num_heads [1]\n" \
    "?key a = Concat [0,0] h [-1] axis=0\n?key q = Reshape query a\n?key b = Concat [0,0] g [-1] axis=0\n" \
    "?key k = Reshape key b\n?key v = Reshape value b\n" \
    "!key c = Add h g\n!key d = Add c g\n!key a = Concat [0,0] d [-1] axis=0\n!key p = Reshape query a\n" \
    "!key b = Concat h g g axis=0\n!key q k v = Split p b axis=2\n" \
    "?q_norm q = RMSNormalization q q_norm epsilon=$qk_norm_epsilon\n" \
    "?k_norm k = RMSNormalization k k_norm epsilon=$qk_norm_epsilon\n" \
    "qt = Transpose q perm=[0,2,1,3]\nkt = Transpose k perm=[0,2,1,3]\nvt = Transpose v perm=[0,2,1,3]\n" \
    "s = Shape qt start=2 end=3\nt64 = Cast total to=7\nt = Reshape t64 [1]\nl64 = Cast seqlens to=7\n" \
    "l = Reshape l64 [-1]\ne = Add l [1]\no1 = Sub e s\nempty = Equal s t\no = Where empty [0] o1\n" \
    "oc = Reshape o [-1,1]\ns0 = Squeeze s\nrow = Range 0 s0 1\nplace = Add oc row\n" \
    "?positions at = Cast positions to=7\n!positions at = Identity place\n" \
    "?do_rotary qr = RotaryEmbedding qt cos sin at interleaved=$rotary_interleaved\n!do_rotary qr = Identity qt\n" \
    "?do_rotary kr = RotaryEmbedding kt cos sin at interleaved=$rotary_interleaved\n!do_rotary kr = Identity kt\n" \
    STORED("kr", "k_quant_type", "k_scale", "kn") STORED("vt", "v_quant_type", "v_scale", "vn")
#define GQA_SEE /* which keys of the places j */ \
    "?causal place4 = Unsqueeze place [1,3]\n?causal see = LessOrEqual j place4\n" \
    "!causal e4 = Reshape e [-1,1,1,1]\n!causal see = Less j e4\n" \
    "!local_window_size=-1 low = Sub place4 $local_window_size\n" \
    "!local_window_size=-1 near = Greater j low\n!local_window_size=-1 see = And see near\n"
#define GQA_BACK /* attention to the keys pk and values pv */ \
    "mask = Identity see\ninf = CastLike -1e38 query\n" \
    "?bias mask = Where see bias inf\n!bias ?sink mask = Where see 0.0~query inf\n" \
    "!bias !sink ?smooth_softmax mask = Where see 0.0~query inf\n" \
    LOADED("pk", "k_quant_type", "k_scale", "k1") LOADED("pv", "v_quant_type", "v_scale", "v1") \
    "k2 = Identity k1\nv2 = Identity v1\n?smooth_softmax sink = CastLike [0.0] query\n" /* a last key */ \
    "?sink x1 = Shape qt end=3\n?sink x2 = Concat x1 [1] axis=0\n?sink x3 = Reshape sink [1,-1,1,1]\n" \
    "?sink x4 = Expand x3 x2\n?sink x5 = Expand mask x2\n?sink mask = Concat x5 x4 axis=3\n" \
    "?sink k2 = Pad k1 [0,0,0,0,0,0,1,0]\n?sink v2 = Pad v1 [0,0,0,0,0,0,1,0]\n" \
    "!qk_output z = Attention qr k2 v2 mask scale=$scale softcap=$softcap\n" \
    "?qk_output=1 z - - i = Attention qr k2 v2 mask scale=$scale softcap=$softcap qk_matmul_output_mode=2\n" \
    "?qk_output=2 z - - i = Attention qr k2 v2 mask scale=$scale softcap=$softcap qk_matmul_output_mode=3\n" \
    "?qk_output i = Slice i [0] t [3]\n?qk_output i1 = Slice see [0] t [3]\n?qk_output qk = Where i1 i 0.0~query\n" \
    "zt = Transpose z perm=[0,2,1,3]\nY = Reshape zt [0,0,-1]"

const pithi_onnx_recipe pithi_onnx_recipes[] = {
    /* ---- what ONNX gave up ---- */
    { "", "Affine", 1, NULL, "x", "y", "alpha=1.0 beta=0.0", "a = Mul x $alpha~x\ny = Add a $beta~x" },
    { "", "ParametricSoftplus", 1, NULL, "x", "y", "alpha=1.0 beta=1.0",
      "b = Mul x $beta~x\ns = Softplus b\ny = Mul s $alpha~x" },
    { "", "ScaledTanh", 1, NULL, "x", "y", "alpha=1.0 beta=1.0", "b = Mul x $beta~x\nt = Tanh b\ny = Mul t $alpha~x" },
    { "", "Scale", 1, NULL, "x", "y", "scale=1.0", "y = Mul x $scale~x" },
    { "", "ImageScaler", 1, NULL, "x", "y", "scale=1.0 bias=0.0",
      "s = Mul x $scale~x\nb = Reshape $bias~x [-1,1,1]\ny = Add s b" },
    { "", "Crop", 1, NULL, "x", "y", "border scale", /* border: left, top, right, bottom; scale: height, width */
      "o = Gather $border [1,0]\n?scale e = Add o $scale\n!scale n = Gather $border [3,2]\n"
      "!scale s = Shape x start=2\n!scale e = Sub s n\ny = Slice x o e [2,3]" },
    { "", "DynamicSlice", 1, NULL, "x starts ends axes?", "y", "", "y = Slice x starts ends axes" },
    { "", "ConstantFill", 1, NULL, "x?", "y", "shape extra_shape input_as_shape=0 value=0.0 dtype=1",
      "!x s = Identity $shape\n?x !input_as_shape s = Shape x\n?x ?input_as_shape s = Cast x to=7\n"
      "?extra_shape t = Concat s $extra_shape axis=0\n!extra_shape t = Identity s\nv = Cast $value to=$dtype\n"
      "y = Expand v t" },
    { "", "GivenTensorFill", 1, NULL, "", "y", "values shape", "y = Reshape $values $shape" },
    { "", "MeanVarianceNormalization", 1, NULL, "x", "y", "across_channels=0 normalize_variance=1",
      "?normalize_variance ?across_channels y = MeanVarianceNormalization x axes=[1,2,3]\n"
      "?normalize_variance !across_channels y = MeanVarianceNormalization x axes=[2,3]\n"
      "!normalize_variance ?across_channels m = ReduceMean x [1,2,3]\n"
      "!normalize_variance !across_channels m = ReduceMean x [2,3]\n!normalize_variance y = Sub x m" },
    { "", "Tile", 1, NULL, "x tiles axis", "y", "",
      "s = Shape x\nn = Shape s\no = Expand 1 n\na = Cast axis to=7\nb = Reshape a [1]\nt = Cast tiles to=7\n"
      "u = Reshape t [1]\nr = ScatterElements o b u\ny = Tile x r" },
    { "", "Dropout", 1, NULL, "x", "y mask", "is_test=0 ratio=0.5 consumed_inputs", /* the mask has the type of x */
      "!is_test t = Cast 1 to=9\n?is_test t = Cast 0 to=9\ny m = Dropout x $ratio t\nmask = CastLike m x" },
    { "", "Dropout", 7, NULL, "x", "y mask", "ratio", "y m = Dropout x\nmask = CastLike m x" },
    { "", "BatchNormalization", 1, "spatial=0", "x scale b mean var", "y",
      "spatial epsilon=1e-5 momentum is_test consumed_inputs",
      "f = Flatten x axis=1\ns = Reshape scale [-1]\nc = Reshape b [-1]\nm = Reshape mean [-1]\nv = Reshape var [-1]\n"
      "n = BatchNormalization f s c m v epsilon=$epsilon\ni = Shape x\ny = Reshape n i" },

    /* ---- ONNX Runtime's own: quantised ---- */
    { MS, "QuantizeLinear", 1, NULL, "x s z?", "y", "axis", "y = QuantizeLinear x s z axis=$axis" },
    { MS, "DequantizeLinear", 1, NULL, "x s z?", "y", "axis", "y = DequantizeLinear x s z axis=$axis" },
    { MS, "MatMulIntegerToFloat", 1, NULL, "A B as bs az? bz? bias?", "Y", "",
      "i = MatMulInteger A B az bz\nf = Cast i to=1\nt = Mul as bs\n!bias Y = Mul f t\n?bias p = Mul f t\n"
      "?bias Y = Add p bias" },
    { MS, "DynamicQuantizeMatMul", 1, NULL, "A B bs bz? bias?", "Y", "",
      "q s z = DynamicQuantizeLinear A\nY = ms:MatMulIntegerToFloat q B s bs z bz bias" },
    { MS, "QLinearWhere", 1, NULL, "c X xs xz Y ys yz zs zz", "Z", "",
      "x = DequantizeLinear X xs xz\na = QuantizeLinear x zs zz\ny = DequantizeLinear Y ys yz\n"
      "b = QuantizeLinear y zs zz\nZ = Where c a b" },
    { MS, "QLinearReduceMean", 1, NULL, "X xs xz? ys yz?", "Y", "axes keepdims=1",
      "x = DequantizeLinear X xs xz\n?axes m = ReduceMean x $axes keepdims=$keepdims\n"
      "!axes m = ReduceMean x keepdims=$keepdims\nY = QuantizeLinear m ys yz" },
    { MS, "QAttention", 1, NULL, "X W bias xs ws mask? xz? wz? past?", "Y present",
      ATTENTION_ATTRS,
      "m = ms:MatMulIntegerToFloat X W xs ws xz wz bias\n"
      "Y present = pith:ProjectedAttention m mask past" ATTENTION_VALUES },
    { MS, "QEmbedLayerNormalization", 1, NULL,
      "ids segments? W P S? G B mask? ws ps ss? gs bs wz pz sz? gz bz", "Y index", "epsilon=1e-12",
      "w = DequantizeLinear W ws wz\np = DequantizeLinear P ps pz\n?S s = DequantizeLinear S ss sz\n"
      "g = DequantizeLinear G gs gz\nb = DequantizeLinear B bs bz\n"
      "?S Y index = ms:EmbedLayerNormalization ids segments w p s g b mask epsilon=$epsilon\n"
      "!S Y index = ms:EmbedLayerNormalization ids - w p - g b mask epsilon=$epsilon" },
    { MS, "DynamicQuantizeLSTM", 1, NULL, "X W R B? lens? h? c? P? ws wz rs rz", "Y Yh Yc",
      "activation_alpha activation_beta activations clip direction=forward hidden_size input_forget",
      /* W is [directions, inputs, 4 hidden], its scales [directions] or [directions, 4 hidden] */
      ONE_LSTM_WEIGHT("?direction=forward ", "W", "w", "ws", "wz")
      ONE_LSTM_WEIGHT("?direction=reverse ", "W", "w", "ws", "wz")
      ONE_LSTM_WEIGHT("?direction=forward ", "R", "r", "rs", "rz")
      ONE_LSTM_WEIGHT("?direction=reverse ", "R", "r", "rs", "rz")
      TWO_LSTM_WEIGHTS("W", "w", "ws", "wz") TWO_LSTM_WEIGHTS("R", "r", "rs", "rz")
      "Y Yh Yc = LSTM X w r B lens h c P activation_alpha=$activation_alpha activation_beta=$activation_beta "
      "activations=$activations clip=$clip direction=$direction hidden_size=$hidden_size "
      "input_forget=$input_forget" },
    { MS, "MatMulNBits", 1, NULL, "A B scales zeros? group? bias?", "Y",
      "K N bits=4 block_size accuracy_level=0 weight_prepacked=0",
      "Y = pith:MatMulNBits A B bias - scales zeros group K=$K N=$N bits=$bits block_size=$block_size "
      "accuracy_level=$accuracy_level" },
    { MS, "MatMulBnb4", 1, NULL, "A B absmax", "Y", "K N block_size quant_type training_mode=0 transB=1",
      /* Dettmers et al. 2023, QLoRA: tables of the types FP4 and NF4 */
      "?quant_type t = Identity [-1.0,-0.6961928,-0.52507305,-0.3949175,-0.28444138,-0.18477343,-0.091050036,0.0,"
      "0.0795803,0.1609302,0.2461123,0.33791524,0.44070983,0.562617,0.72295684,1.0]\n"
      "!quant_type t = Identity [0.0,0.0052083333,0.66666667,1.0,0.33333333,0.5,0.16666667,0.25,-0.0,-0.0052083333,"
      "-0.66666667,-1.0,-0.33333333,-0.5,-0.16666667,-0.25]\n"
      "o = Reshape B [-1]\nu = pith:UnpackBits o bits=4 high_first=1\ni = Cast u to=7\ng = Gather t i\n"
      "b = Reshape $block_size [1]\nc = Concat [1] b axis=0\na = Unsqueeze absmax [1]\ne = Expand a c\n"
      "f = Reshape e [-1]\nl = Reshape $N [1]\nk = Reshape $K [1]\nm = Mul l k\nh = Slice g [0] m [0]\n"
      "p = Slice f [0] m [0]\nv = Mul h p\nd = Concat l k axis=0\n?transB w = Reshape v d\n"
      "?transB q = Transpose w perm=[1,0]\n!transB r = Concat k l axis=0\n!transB q = Reshape v r\n"
      "s = CastLike q A\nY = MatMul A s" },
    { MS, "GatherBlockQuantized", 1, NULL, "data indices scales zeros?", "Y",
      "bits=4 block_size=128 gather_axis=0 quantize_axis=1",
      "Y = pith:GatherNBits data indices scales zeros bits=$bits block_size=$block_size axis=$gather_axis "
      "quantize_axis=$quantize_axis" },
    { MS, "MatMulInteger16", 1, NULL, "A B", "Y", "", "a = Cast A to=6\nb = Cast B to=6\nY = MatMul a b" },
    { MS, "MulInteger", 1, NULL, "A az? B bz?", "C", "",
      "a = Cast A to=6\n?az u = Cast az to=6\n?az a = Sub a u\n"
      "b = Cast B to=6\n?bz v = Cast bz to=6\n?bz b = Sub b v\n"
      "C = Mul a b" },
    { MS, "ReduceSumInteger", 1, NULL, "X", "Y", "axes keepdims=1",
      "i = Cast X to=6\nY = ReduceSum i $axes keepdims=$keepdims" },

    /* ---- ONNX Runtime's own: fused ---- */
    { MS, "FusedGemm", 1, NULL, "A B C?", "Y", "alpha beta transA transB" ACTIVATION_ATTRS,
      "g = Gemm A B C alpha=$alpha beta=$beta transA=$transA transB=$transB\n" WITH_ACTIVATION },
    { MS, "FusedMatMulActivation", 1, NULL, "A B", "Y",
      "alpha transA transB transBatchA transBatchB activation_axis" ACTIVATION_ATTRS,
      "g = ms:FusedMatMul A B alpha=$alpha transA=$transA transB=$transB transBatchA=$transBatchA "
      "transBatchB=$transBatchB\n" WITH_ACTIVATION },
    { MS, "FusedMatMul", 1, "transBatchA=1", "A B", "Y", "alpha transA transB transBatchA transBatchB", BATCHED },
    { MS, "FusedMatMul", 1, "transBatchB=1", "A B", "Y", "alpha transA transB transBatchA transBatchB", BATCHED },
    { MS, "TransposeMatMul", 1, NULL, "A B", "Y", "alpha transA transB",
      "Y = ms:FusedMatMul A B alpha=$alpha transA=$transA transB=$transB" },
    { MS, "GemmFastGelu", 1, NULL, "X W bias?", "Y", "", "m = MatMul X W\nY = ms:FastGelu m bias" },
    { MS, "BiasAdd", 1, NULL, "X bias skip", "Y", "", "t = Add X bias\nY = Add t skip" },
    { MS, "BiasSplitGelu", 1, NULL, "X bias", "Y", "",
      "t = Add X bias\na b = Split t num_outputs=2 axis=-1\ng = Gelu b\nY = Mul a g" },
    { MS, "BiasDropout", 1, NULL, "X bias residual? ratio? training?", "Y mask", "seed",
      "t = Add X bias\nd mask = Dropout t ratio training seed=$seed\n?residual Y = Add d residual\n"
      "!residual Y = Identity d" },
    { MS, "GroupNorm", 1, NULL, "X gamma beta", "Y", "activation groups epsilon=1e-5 channels_last=1",
      "!channels_last t = Identity X\n?channels_last t = Transpose X perm=[0,3,1,2]\n"
      "g = GroupNormalization t gamma beta num_groups=$groups epsilon=$epsilon\n?activation a = Swish g\n"
      "!activation a = Identity g\n?channels_last Y = Transpose a perm=[0,2,3,1]\n!channels_last Y = Identity a" },
    { MS, "EmbedLayerNormalization", 1, NULL, "ids segments? W P S? gamma beta mask? positions?", "Y index sum",
      "epsilon=1e-12 mask_index_type=0",
      "w = Gather W ids\nl = Shape ids start=1 end=2\n!positions p = Slice P [0] l [0]\n"
      "?positions p = Gather P positions\n"
      "a = Add w p\n?segments s = Gather S segments\n?segments a = Add a s\n"
      "Y = LayerNormalization a gamma beta axis=-1 epsilon=$epsilon\nsum = Identity a\n"
      "?mask m = Cast mask to=6\n?mask index = ReduceSum m [1] keepdims=0\n"
      "!mask n = Shape ids end=1\n!mask z = Cast 0 to=6\n!mask index = Expand z n" },

    { MS, "MultiHeadAttention", 1, NULL,
      "query key? value? bias? mask? add? past_key? past_value? past_length? beams?", "Y present_key present_value qk",
      "num_heads scale unidirectional mask_filter_value=-10000.0",
      "?past_length Y = ms:MultiHeadAttention.past_sequence_length query\n"
      "?beams Y = ms:MultiHeadAttention.cache_indirection query\n"
      "?key q = Identity query\n?key k = Identity key\n?value v = Identity value\n" /* else heads are side by side */
      "!key a b c = Split query num_outputs=3 axis=3\n!key q = Reshape a [0,0,-1]\n!key k = Reshape b [0,0,-1]\n"
      "!key v = Reshape c [0,0,-1]\n?key !value b c = Split key num_outputs=2 axis=3\n"
      "?key !value k = Reshape b [0,0,-1]\n?key !value v = Reshape c [0,0,-1]\n"
      "?bias e f g = Split bias num_outputs=3 axis=0\n?bias q = Add q e\n?bias !key#4 k = Add k f\n"
      "?bias !key#4 v = Add v g\n"
      "?mask n = Shape q end=1\n?mask l = Shape k start=-2 end=-1\n?mask ?past_key p = Shape past_key start=2 end=3\n"
      "?mask ?past_key l = Add l p\n?mask s = Concat n l axis=0\n?mask see = pith:KeyMask mask s\n"
      "?mask hide = Where see 0.0~query $mask_filter_value~query\n?mask ?add sum = Add hide add\n"
      "?mask !add sum = Identity hide\n?mask add = Identity sum\n"
      "Y present_key present_value qk = Attention q k v add past_key past_value q_num_heads=$num_heads "
      "kv_num_heads=$num_heads scale=$scale is_causal=$unidirectional" },
    { MS, "Attention", 1, NULL, "X W bias? mask? past? add?", "Y present", ATTENTION_ATTRS " qkv_hidden_sizes",
      "m = MatMul X W\n?bias m = Add m bias\n"
      "Y present = pith:ProjectedAttention m mask past add qkv_hidden_sizes=$qkv_hidden_sizes" ATTENTION_VALUES },
    { "pith", "ProjectedAttention", 1, NULL, "m mask? past? add?", "Y present", ATTENTION_ATTRS " qkv_hidden_sizes",
      "?do_rotary Y = ms:Attention.do_rotary m\n?past_present_share_buffer Y = ms:Attention.share_buffer m\n"
      "?qkv_hidden_sizes q k v = Split m $qkv_hidden_sizes axis=2\n"
      "!qkv_hidden_sizes q k v = Split m num_outputs=3 axis=2\n?past a b = Split past num_outputs=2 axis=0\n"
      "?past past = Squeeze a [0]\n?past d = Squeeze b [0]\n"
      "?past Y pk pv = ms:MultiHeadAttention q k v - mask add past d" MHA_VALUES "\n"
      "!past Y pk pv = ms:MultiHeadAttention q k v - mask add" MHA_VALUES "\n"
      "e = Unsqueeze pk [0]\nf = Unsqueeze pv [0]\npresent = Concat e f axis=0" },
    /* Rows of a batch may lie at different places of the cache: of item b at seqlens[b] + 1 - rows, or at 0 while the
     * cache is empty (rows = total). A row sees the keys up to its own place (all that are there, without causality),
     * within a window. A sink takes part in the softmax like a key with that score and the value 0. */
    { MS, "GroupQueryAttention", 1, "sliding_window_cache=1", GQA_INPUTS, "Y present_key present_value qk", GQA_ATTRS,
      /* The cache of capacity C holds of T tokens the last L(T) = T - G ceil(max(T - C, 0) / G), G = C - window + 1 */
      "?qk_output Y = ms:GroupQueryAttention.sliding_window_cache query\n"
      "?local_window_size=-1 Y = ms:GroupQueryAttention.local_window_size query\n"
      "!local_window_size Y = ms:GroupQueryAttention.local_window_size query\n" GQA_FRONT
      "c = Shape past_key start=2 end=3\nw = Reshape $local_window_size [1]\nc0 = Squeeze c\nrc = Range 0 c0 1\n"
      "w1 = Sub c w\nw2 = Concat w w1 axis=0\nw3 w4 = Split rc w2\n" /* fails unless 0 <= window <= C */
      "gap1 = Shape w4\ngap = Add gap1 [1]\n" RESIDENT("o", "held") RESIDENT("e", "kept")
      "ak = Concat past_key kn axis=2\nav = Concat past_value vn axis=2\nn = Add c s\nn0 = Squeeze n\n"
      "r = Range 0 n0 1\nfirst = Sub o held\nfc = Reshape first [-1,1]\nold = Add r fc\nd = Sub oc c\n"
      "new = Add r d\nis_new = GreaterOrEqual r c\npos = Where is_new new old\nhc = Reshape held [-1,1]\n"
      "is_held = Less r hc\nis_there = Or is_new is_held\nj = Unsqueeze pos [1,2]\nthere = Unsqueeze is_there [1,2]\n"
      "last = Sub e kept\nlc = Reshape last [-1,1]\nat_c = Add rc lc\nfrom_new = Sub at_c d\n"
      "from_old = Sub at_c fc\nis_late = GreaterOrEqual at_c oc\nix = Where is_late from_new from_old\nn1 = Sub n [1]\n"
      "lo = Max ix [0]\nhi = Min lo n1\nid = Unsqueeze hi [1,3]\nsk = Shape past_key\nsv = Shape past_value\n"
      "ik = Expand id sk\niv = Expand id sv\npresent_key = GatherElements ak ik axis=2\n"
      "present_value = GatherElements av iv axis=2\npk = Identity ak\npv = Identity av\n" GQA_SEE
      "see = And see there\n"
      "?bias b1 = Shape query end=1\n?bias b2 = Shape bias start=1\n?bias b3 = Concat b1 b2 axis=0\n"
      "?bias b4 = Expand bias b3\n?bias b5 = Shape bias start=1 end=3\n?bias b6 = Concat b1 b5 n axis=0\n"
      "?bias b7 = Max j [0]\n?bias b8 = Sub t [1]\n?bias b9 = Min b7 b8\n?bias b10 = Expand b9 b6\n"
      "?bias bias = GatherElements b4 b10 axis=3\n" GQA_BACK },
    { MS, "GroupQueryAttention", 1, NULL, GQA_INPUTS, "Y present_key present_value qk", GQA_ATTRS,
      "?sliding_window_cache Y = ms:GroupQueryAttention.sliding_window_cache query\n" GQA_FRONT
      "?past_key w = Shape past_key start=2 end=3\n?past_key m = Sub t w\n?past_key n = Max m [0]\n"
      "?past_key pads = Concat [0,0,0,0,0,0] n [0] axis=0\n?past_key ck = Pad past_key pads\n"
      "?past_value cv = Pad past_value pads\n" NO_CACHE("ck", "kn") NO_CACHE("cv", "vn")
      "pk = TensorScatter ck kn o axis=-2\npv = TensorScatter cv vn o axis=-2\n"
      "present_key = Identity pk\npresent_value = Identity pv\n"
      "u = Shape pk start=2 end=3\nu0 = Squeeze u\nj = Range 0 u0 1\n" GQA_SEE
      "?bias b1 = Shape bias start=3\n?bias b2 = Sub u b1\n?bias b3 = Max b2 [0]\n" /* the cache may be longer */
      "?bias b4 = Concat [0,0,0,0,0,0,0] b3 axis=0\n?bias bias = Pad bias b4\n" GQA_BACK },
    /* Three positions of each token, of time, height and width, take a part each of its angles: neighbouring parts, or
     * with mrope_layout 1 in turns. */
    { MS, "MRotaryEmbedding", 1, NULL, "X positions cos sin", "Y",
      "mrope_section num_heads rotary_embedding_dim interleaved mrope_layout=0 is_packed_batching=0",
      "?mrope_layout Y = ms:MRotaryEmbedding.mrope_layout X\n"
      "?is_packed_batching Y = ms:MRotaryEmbedding.is_packed_batching X\n"
      "p = Cast positions to=7\nc = Gather cos p\nt h w = Split c $mrope_section axis=-1\na = Gather t 0\n"
      "b = Gather h 1\nd = Gather w 2\ne = Concat a b d axis=-1\n"
      "s = Gather sin p\nt h w = Split s $mrope_section axis=-1\na = Gather t 0\nb = Gather h 1\nd = Gather w 2\n"
      "f = Concat a b d axis=-1\n"
      "Y = RotaryEmbedding X e f num_heads=$num_heads rotary_embedding_dim=$rotary_embedding_dim "
      "interleaved=$interleaved" },
    { MS, "LinearAttention", 1, NULL, "q k v past? decay? beta?", "Y present",
      "q_num_heads kv_num_heads update_rule=gated_delta scale=0.0 chunk_size state_window=0",
      "?state_window Y = ms:LinearAttention.state_window q\n"
      "Y present = LinearAttention q k v past decay beta q_num_heads=$q_num_heads kv_num_heads=$kv_num_heads "
      "update_rule=$update_rule scale=$scale" },
    { MS, "CausalConvWithState", 1, NULL, "X w bias? past?", "Y present",
      "activation=none ndim=1 dilation=1 channels_last=0 state_window=0",
      "!ndim=1 Y = ms:CausalConvWithState.ndim X\n!dilation=1 Y = ms:CausalConvWithState.dilation X\n"
      "?state_window Y = ms:CausalConvWithState.state_window X\n"
      "!channels_last Y present = CausalConvWithState X w bias past activation=$activation\n"
      "?channels_last x = Transpose X perm=[0,2,1]\n?channels_last ?past past = Transpose past perm=[0,2,1]\n"
      "?channels_last y p = CausalConvWithState x w bias past activation=$activation\n"
      "?channels_last Y = Transpose y perm=[0,2,1]\n?channels_last present = Transpose p perm=[0,2,1]" },
    { MS, "LinearAttentionGate", 1, NULL, "a bias scale b?", "decay beta", "",
      "f = Cast a to=1\nt = Add f bias\ns = Softplus t\nm = Mul s scale\ndecay = CastLike m a\n?b beta = Sigmoid b" },
    { MS, "GatedRMSNorm", 1, NULL, "X scale gate", "Y", "activation=silu epsilon=1e-5",
      "c = Shape scale\nd = Concat [-1] c axis=0\nx = Reshape X d\nn = RMSNormalization x scale epsilon=$epsilon\n"
      "s = Shape X\nm = Reshape n s\n?activation=sigmoid g = Sigmoid gate\n!activation=sigmoid g = Swish gate\n"
      "Y = Mul m g" },
    { MS, "GatedAdd", 1, NULL, "X Y gate", "Z", "", "m = Mul Y gate\nZ = Add X m" },
    { MS, "ScaledSiLU", 1, NULL, "X scale?", "Y", "alpha=1.0",
      "?scale z = Mul X scale\n!scale z = Mul X $alpha~X\ns = Sigmoid z\nY = Mul z s" },

    /* All experts compute all tokens, which is exact and takes E / k times the work. */
    { MS, "MoE", 1, NULL, "X router W1 b1? W2 b2? W3? b3?", "Y", MOE_ATTRS,
      "?use_sparse_mixer Y = ms:MoE.use_sparse_mixer X\n"
      "h = Shape X start=-1\nf = Concat [-1] h axis=0\nx = Reshape X f\np = Softmax router axis=-1\n"
      "n = Reshape $k [1]\nv i = TopK p n axis=-1\n?normalize_routing_weights s = ReduceSum v [-1]\n"
      "?normalize_routing_weights v = Div v s\nz = Mul p 0.0~p\ng = ScatterElements z i v axis=-1\n"
      "t = Transpose g perm=[1,0]\ne = Unsqueeze t [2]\n" /* weights of tokens, by expert */
      "a = ms:FusedMatMul x W1 transB=1\n?b1 u1 = Unsqueeze b1 [1]\n?b1 a = Add a u1\n"
      "?swiglu_fusion=1 r = Reshape a [0,0,-1,2]\n?swiglu_fusion=1 a = Gather r 0 axis=3\n"
      "?swiglu_fusion=1 l = Gather r 1 axis=3\n?swiglu_fusion=2 a l = Split a num_outputs=2 axis=2\n"
      "?W3 l = ms:FusedMatMul x W3 transB=1\n?b3 u3 = Unsqueeze b3 [1]\n?b3 l = Add l u3\n"
      "?activation_type=swiglu ?swiglu_limit a = Min a $swiglu_limit~a\n"
      "?activation_type=swiglu ?swiglu_limit m = Neg $swiglu_limit~a\n"
      "?activation_type=swiglu ?swiglu_limit l = Clip l m $swiglu_limit~a\n"
      "?activation_type=relu c = Relu a\n?activation_type=gelu c = Gelu a approximate=tanh\n"
      "?activation_type=silu c = Swish a\n?activation_type=identity c = Identity a\n"
      "?activation_type=swiglu c = Swish a alpha=$activation_alpha\n"
      "?activation_type=swiglu l = Add l $activation_beta~l\n?l c = Mul c l\n"
      "y = ms:FusedMatMul c W2 transB=1\n?b2 u2 = Unsqueeze b2 [1]\n?b2 y = Add y u2\nw = Mul y e\n"
      "d = ReduceSum w [0] keepdims=0\nq = Shape X\nY = Reshape d q" },
    { MS, "QMoE", 1, NULL, "X router W1 s1 b1? W2 s2 b2? W3? s3? b3? z1? z2? z3? routes?",
      "Y", MOE_ATTRS " expert_weight_bits=4 block_size quant_type=int accuracy_level",
      "!quant_type=int Y = ms:QMoE.quant_type X\n?routes Y = ms:QMoE.router_weights X\n"
      EXPERTS("W1", "s1", "z1") EXPERTS("W2", "s2", "z2") EXPERTS("W3", "s3", "z3")
      "Y = ms:MoE X router W1 b1 W2 b2 W3 b3 k=$k activation_type=$activation_type "
      "normalize_routing_weights=$normalize_routing_weights use_sparse_mixer=$use_sparse_mixer "
      "swiglu_fusion=$swiglu_fusion swiglu_limit=$swiglu_limit activation_alpha=$activation_alpha "
      "activation_beta=$activation_beta" },

    /* ---- ONNX Runtime's own: channels-last ---- */
    { MS, "NhwcMaxPool", 1, NULL, "X", "Y", POOL_ATTRS,
      "t = Transpose X perm=[0,3,1,2]\np = MaxPool t" POOL_VALUES "\nY = Transpose p perm=[0,2,3,1]" },
    { MS, "NhwcConv", 1, NULL, "X W B?", "Y", CONV_ATTRS,
      "x = Transpose X perm=[0,3,1,2]\nw = Transpose W perm=[0,3,1,2]\nc = Conv x w B" CONV_VALUES
      "\nY = Transpose c perm=[0,2,3,1]" },
    { MS, "NhwcFusedConv", 1, NULL, "X W B? Z?", "Y", CONV_ATTRS " activation activation_params",
      "x = Transpose X perm=[0,3,1,2]\n?Z z = Transpose Z perm=[0,3,1,2]\n"
      "?Z c = ms:FusedConv x W B z activation=$activation activation_params=$activation_params" CONV_VALUES "\n"
      "!Z c = ms:FusedConv x W B activation=$activation activation_params=$activation_params" CONV_VALUES "\n"
      "Y = Transpose c perm=[0,2,3,1]" },

    /* ---- ONNX Runtime's own: channels in blocks; `block` and `whole` are of onnx_nchwc.c ---- */
    { PITHI_ONNX_NCHWC, "ReorderInput", 1, NULL, "X", "Y", "channels_last block whole",
      "?channels_last x = Transpose X perm=[0,3,1,2]\n!channels_last x = Identity X\nb = Reshape $block [1]\n"
      "c = Shape x start=1 end=2\nn = Neg c\nm = Mod n b\np = Concat [0,0,0,0,0] m [0,0] axis=0\nY = Pad x p" },
    { PITHI_ONNX_NCHWC, "ReorderOutput", 1, NULL, "X", "Y", "channels_last channels block whole",
      "c = Reshape $channels [1]\ns = Slice X [0] c [1]\n?channels_last Y = Transpose s perm=[0,2,3,1]\n"
      "!channels_last Y = Identity s" },
    { PITHI_ONNX_NCHWC, "Conv", 1, NULL, "X W B? Z?", "Y", CONV_ATTRS " activation activation_params block whole",
      "b = Reshape $block [1]\ni = Shape W start=1 end=2\nk = Shape W start=2\n?whole j = Div i b\n"
      "?whole s = Concat [-1] j k b b axis=0\n!whole s = Concat [-1] i k b axis=0\nr = Reshape W s\n"
      "?whole t = Transpose r perm=[0,5,1,4,2,3]\n!whole t = Transpose r perm=[0,4,1,2,3]\nn = Shape W\n"
      "w = Reshape t n\nY = ms:FusedConv X w B Z activation=$activation activation_params=$activation_params"
      CONV_VALUES },
    { PITHI_ONNX_NCHWC, "MaxPool", 1, NULL, "X", "Y", POOL_ATTRS " storage_order block whole",
      "Y = MaxPool X" POOL_VALUES },
    { PITHI_ONNX_NCHWC, "AveragePool", 1, NULL, "X", "Y", POOL_ATTRS " count_include_pad block whole",
      "Y = AveragePool X count_include_pad=$count_include_pad" POOL_VALUES },
    { PITHI_ONNX_NCHWC, "GlobalMaxPool", 1, NULL, "X", "Y", "block whole", "Y = GlobalMaxPool X" },
    { PITHI_ONNX_NCHWC, "GlobalAveragePool", 1, NULL, "X", "Y", "block whole", "Y = GlobalAveragePool X" },
    { PITHI_ONNX_NCHWC, "Upsample", 1, NULL, "X", "Y",
      "scales mode=nearest coordinate_transformation_mode=asymmetric block whole",
      "s = Cast $scales to=1\nY = Resize X - s mode=$mode nearest_mode=floor "
      "coordinate_transformation_mode=$coordinate_transformation_mode" },

    /* ---- ONNX Runtime's own: what ONNX has under the same or another name ---- */
    { MS, "ExpandDims", 1, NULL, "X axis", "Y", "", "a = Cast axis to=7\nb = Reshape a [1]\nY = Unsqueeze X b" },
    { MS, "GatherND", 1, NULL, "X indices", "Y", "", "Y = GatherND X indices" },
    { MS, "Trilu", 1, NULL, "X k?", "Y", "upper", "Y = Trilu X k upper=$upper" },
    { MS, "Unique", 1, NULL, "X", "Y index counts", "", "Y - index counts = Unique X sorted=0" },
    { MS, "Range", 1, NULL, "start limit delta?", "Y", "",
      "?delta Y = Range start limit delta\n!delta Y = Range start limit 1~start" },
    { MS, "Pad", 1, NULL, "X pads value?", "Y", "mode", "p = Reshape pads [-1]\n"
      "?value v = Reshape value []\n?value Y = Pad X p v mode=$mode\n!value Y = Pad X p mode=$mode" },
    { MS, "GridSample", 1, NULL, "X grid", "Y", "align_corners mode=bilinear padding_mode",
      "?mode=bilinear Y = GridSample X grid align_corners=$align_corners padding_mode=$padding_mode mode=linear\n"
      "?mode=bicubic Y = GridSample X grid align_corners=$align_corners padding_mode=$padding_mode mode=cubic\n"
      "?mode=nearest Y = GridSample X grid align_corners=$align_corners padding_mode=$padding_mode mode=nearest" },
    { MS, "TorchEmbedding", 1, NULL, "W ids padding? by_frequency?", "Y", "", "Y = Gather W ids" },
    { MS, "CDist", 1, NULL, "A B", "C", "metric=sqeuclidean",
      "a = Unsqueeze A [1]\nb = Unsqueeze B [0]\nd = Sub a b\n"
      "?metric=sqeuclidean C = ReduceSumSquare d [2] keepdims=0\n"
      "?metric=euclidean C = ReduceL2 d [2] keepdims=0" },
};
const int pithi_onnx_n_recipes = PITH_COUNT(pithi_onnx_recipes);
