"""keras.applications, whose names of layers are those of this package."""

from keras_resnet.weights.naming import Source

SOURCE = Source(
    title="keras.applications",
    marks=(r"conv1_conv", r"conv2_block1_1_conv"),
    layers={r"(?P<site>\w+)": "{site}"},
    contract="caffe",
    framework="keras",
    choices={"norm_epsilon": 1.001e-5, "norm_momentum": 0.99, "pool_padding": "zeros"},
    preactivated_choices={"stride_on": "3x3", "stride_unit": "last", "stem_activation": False},
    preactivated_contract="tf",
)
