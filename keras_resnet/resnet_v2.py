"""What users of keras.applications.resnet_v2 look for, under the same names."""

from keras_resnet.builders import ResNet50V2, ResNet101V2, ResNet152V2
from keras_resnet.imagenet_classes import decode_predictions
from keras_resnet.preprocessing import CONTRACTS

# Images (batch, height, width, 3) of values 0 to 255, RGB, as the published weights expect them; a copy.
preprocess_input = CONTRACTS["tf"].standardize

__all__ = ["ResNet50V2", "ResNet101V2", "ResNet152V2", "decode_predictions", "preprocess_input"]
