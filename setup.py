"""Packaging of keras-resnet-suite: three import packages, extras by task."""

from pathlib import Path

from setuptools import find_packages, setup

TENSORFLOW = ">=2.21,<2.22"
HUB = "huggingface_hub>=1.0"

setup(
    name="keras-resnet-suite",
    version="0.2.0",
    description="Residual networks for Keras 3: every network of the papers, their training and their search",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=["ResNet", "residual network", "Keras", "TensorFlow", "image classification", "CIFAR-10", "ImageNet"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 14)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["keras_resnet*", "training*", "tuning*"]),
    package_data={
        "keras_resnet": ["py.typed", "*.pyi", "weights/trained/*.safetensors", "weights/trained/*.json"],
        "training": ["py.typed", "recipes/*.yaml"],
        "tuning": ["py.typed", "space.yaml", "studies/*.yaml", "report/templates/*.j2"],
    },
    entry_points={
        "console_scripts": [
            "keras-resnet = keras_resnet.__main__:main",
            "keras-resnet-train = training.__main__:main",
            "keras-resnet-tune = tuning.__main__:main",
        ]
    },
    install_requires=["keras>=3.12", "numpy", "pyyaml>=6", "safetensors>=0.4.5"],
    extras_require={
        # One TensorFlow, never both: the two distributions install the same module.
        "cpu": [f"tensorflow-cpu{TENSORFLOW}"],
        "gpu": [f"tensorflow[and-cuda]{TENSORFLOW}"],
        "draw": ["matplotlib>=3.8"],
        # What writes and runs a format; all of them need one TensorFlow beside.
        "onnx": ["onnx>=1.19", "onnxruntime>=1.23", "tf2onnx>=1.17"],
        "openvino": ["nncf>=3", "openvino>=2025.3"],
        "litert": ["ai-edge-litert>=2.3", "ai-edge-quantizer>=0.10"],
        "hub": [HUB],
        "train": [
            "importlib_resources",  # tensorflow-datasets imports it and does not declare it
            "matplotlib>=3.8",
            "pillow",
            "pydantic>=2.7",
            "scikit-learn>=1.4",  # the embedded data set `digits`
            "tensorboard>=2.20",  # TensorFlow imports it and does not declare it
            "tensorflow-datasets>=4.9.9",
            "tyro>=0.9",
        ],
        "tune": [
            "jinja2>=3.1",
            "keras-tuner>=1.4.8",
            "markdown-it-py>=3",
            "scipy>=1.11",
        ],
        "jax": ["jax>=0.6"],  # as the backend that computes, on several hosts too; jax[cuda12] for NVIDIA's GPUs
        "tpe": ["optuna>=5"],  # the tuner of that name, and studies for Optuna's dashboard
        # Rows of the papers' tables on an accelerator, without TensorFlow; jax[cuda12] for NVIDIA's.
        "reproduce": ["jax>=0.6", "pydantic>=2.7", "tyro>=0.9"],
        # The API reference and guide as HTML, and the tutorial notebook.
        "docs": ["furo", "ipykernel", "myst-nb>=1.2", "nbclient", "sphinx>=8.1"],
        "test": [HUB, "pytest>=8", "pytest-xdist>=3.6", "ruff>=0.6"],
    },
)
