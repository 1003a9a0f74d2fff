"""Sparse autoencoders and transcoders: encode raw activations into features, decode features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sae_assets.dictionary.activation_functions import batchtopk, jumprelu, topk
from sae_assets.dictionary.active_features import ActiveFeatures, active_where
from sae_assets.dictionary.config import SAEConfig
from sae_assets.dictionary.encoder_blocks import EncoderBlocks, Linear
from sae_assets.dictionary.feature_blocks import FeatureBlock, above_in_blocks, largest_of_blocks
from sae_assets.dictionary.normalization import dataset_factor, denormalized, normalized
from sae_assets.settings.sae import PretrainedSAE


class AbstractSparseAutoEncoder(nn.Module, ABC):
    """What every architecture of sparse autoencoder offers."""

    config: SAEConfig
    """What the checkpoint says about itself."""

    @staticmethod
    def from_pretrained(
        path: str | Path | PretrainedSAE,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        fold_activation_scale: bool = True,
        strict_loading: bool = True,
    ) -> AbstractSparseAutoEncoder:
        """Loads a checkpoint: a folder, a weight file, or `repo_id:name` on the Hugging Face hub.

        Given a `PretrainedSAE`, its own options hold, except that a `device` or `dtype` given here wins.

        Args:
            path: where the checkpoint is.
            device: "cpu" where not given.
            dtype: precision of the weights; float32 where not given.
            fold_activation_scale: fold a dataset-wise normalisation into the weights, so that features and the
                reconstruction are in the units of raw activations.
            strict_loading: refuse missing and unexpected weights.

        Raises:
            UserError: there is no such checkpoint, or it is incomplete or damaged.
        """
        from sae_assets.dictionary.checkpoint import load_checkpoint

        if not isinstance(path, PretrainedSAE):
            path = PretrainedSAE(
                pretrained_name_or_path=str(path),
                fold_activation_scale=fold_activation_scale,
                strict_loading=strict_loading,
            )
        return load_checkpoint(path, device or path.device, dtype or path.torch_dtype)

    @property
    def d_model(self) -> int:
        """Width of the activations."""
        return self.config.d_model

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return self.config.d_sae

    @property
    def hook_point_in(self) -> str | None:
        """Point of the model whose activations are encoded; None where neither checkpoint nor settings say it."""
        return self.config.hook_point_in

    @property
    def hook_point_out(self) -> str | None:
        """Point of the model whose activations are reconstructed; None where the checkpoint does not say it."""
        return self.config.hook_point_out

    @property
    @abstractmethod
    def is_batch_dependent(self) -> bool:
        """Whether a token's features depend on the tokens that are encoded with it."""

    @property
    @abstractmethod
    def encoder(self) -> Float[Tensor, "d_model feature"]:
        """Encoder directions, one column a feature."""

    @property
    @abstractmethod
    def decoder(self) -> Float[Tensor, "feature d_model"]:
        """Decoder directions in the units of the model's activations, one row a feature."""

    @abstractmethod
    def encode(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... feature"]:
        """Features of raw activations; the checkpoint's own normalisation is part of it."""

    @abstractmethod
    def active_features(
        self, x: Float[Tensor, "token d_model"], amp_dtype: torch.dtype = torch.float32
    ) -> ActiveFeatures:
        """What `encode` gives above 0, with the encoder's product in the precision `amp_dtype`, float32 at most."""

    @abstractmethod
    def decode(
        self, features: Float[Tensor, "... feature"], x: Float[Tensor, "... d_model"] | None = None
    ) -> Float[Tensor, "... d_model"]:
        """Activations reconstructed from features.

        A normalisation by token or by batch can be undone only with the activations `x` that were encoded, and a skip
        connection maps them; without them the reconstruction is in the normalised units, and without that map.
        """

    def forward(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        """The reconstruction of raw activations, in their units."""
        return self.decode(self.encode(x), x)


class SparseAutoEncoder(AbstractSparseAutoEncoder):
    """A sparse autoencoder or transcoder of one layer, with the options of `SAEConfig`."""

    def __init__(self, config: SAEConfig):
        """An autoencoder whose weights are all zero, until a state dict is loaded."""
        super().__init__()
        self.config = config
        d_model, d_sae = config.d_model, config.d_sae
        self.W_E = nn.Parameter(torch.zeros(d_model, d_sae))
        self.b_E = nn.Parameter(torch.zeros(d_sae))
        self.W_D = nn.Parameter(torch.zeros(d_sae, d_model))
        if config.use_decoder_bias:
            self.b_D = nn.Parameter(torch.zeros(d_model))
        if config.use_glu_encoder:
            self.W_E_glu = nn.Parameter(torch.zeros(d_model, d_sae))
            self.b_E_glu = nn.Parameter(torch.zeros(d_sae))
        if config.act_fn == "jumprelu":
            self.threshold = nn.Parameter(torch.zeros(d_sae))
        if config.skip_connection:
            self.W_skip = nn.Parameter(torch.zeros(d_model, d_model))
        self.dataset_norm_in = 1.0
        self.dataset_norm_out = 1.0
        self._gate: Tensor | None = None
        self._blocks: EncoderBlocks | None = None

    def set_dataset_norms(self, norm_in: float, norm_out: float) -> None:
        """Sets the mean norm of the activations at the two hook points, which "dataset-wise" scales by."""
        self.dataset_norm_in, self.dataset_norm_out = norm_in, norm_out

    @torch.no_grad()
    def fold_activation_scale(self) -> None:
        """Folds a dataset-wise normalisation into the weights; the result takes and gives raw activations.

        The seed's definition: b_E / in, b_D / out, W_D · in / out, with thresholds as they are.
        """
        if self.config.norm_activation != "dataset-wise":
            return
        factor_in, factor_out = self._dataset_factor(self.dataset_norm_in), self._dataset_factor(self.dataset_norm_out)
        self.b_E.div_(factor_in)
        self.W_D.mul_(factor_in / factor_out)
        if self.config.use_decoder_bias:
            self.b_D.div_(factor_out)
        self.config = self.config.model_copy(update={"norm_activation": "inference"})
        self._gate = self._blocks = None

    def fix_threshold(self, threshold: float) -> None:
        """Gives a batchtopk the threshold, in the units that it ranks in, above which a feature is active from now on.

        What a token's features are does not depend on its batch any more.
        """
        assert self.config.act_fn == "batchtopk"
        self.threshold = nn.Parameter(torch.full_like(self.b_E, threshold), requires_grad=False)
        self.config = self.config.model_copy(update={"act_fn": "jumprelu"})

    @property
    def is_batch_dependent(self) -> bool:
        """True for batchtopk and for a batch-wise normalisation."""
        return self.config.act_fn == "batchtopk" or self.config.norm_activation == "batch-wise"

    @property
    def encoder(self) -> Float[Tensor, "d_model feature"]:
        """Encoder directions, one column a feature."""
        return self.W_E.detach()

    @property
    def decoder(self) -> Float[Tensor, "feature d_model"]:
        """Decoder directions in the units of the model's activations, one row a feature."""
        if self.config.norm_activation == "dataset-wise":
            return self.W_D.detach() / self._dataset_factor(self.dataset_norm_out)
        return self.W_D.detach()

    def encode(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... feature"]:
        """Features of raw activations; the checkpoint's own normalisation is part of it."""
        hidden = self._hidden(x)
        if not self.config.sparsity_include_decoder_norm:
            return self._activate(hidden)
        gate = self._decoder_norm()
        features = self._activate(hidden * gate)
        return torch.where(features > 0, features / gate, features.new_zeros(()))

    @torch.no_grad()
    def active_features(
        self, x: Float[Tensor, "token d_model"], amp_dtype: torch.dtype = torch.float32
    ) -> ActiveFeatures:
        """What `encode` gives above 0, without a dense table of all features; see the abstract class."""
        if self.is_batch_dependent:
            with torch.autocast(x.device.type, amp_dtype, enabled=amp_dtype != torch.float32):
                features = self.encode(x)
            return active_where(features > 0, features)
        blocks = self._encoder_blocks(amp_dtype).of(self._normalized(x.to(self.W_E.dtype)))
        if not self.config.sparsity_include_decoder_norm:
            return self._active(blocks)
        gate = self._decoder_norm()
        active = self._active(block.scaled(gate) for block in blocks)
        active = active._replace(value=active.value / gate[active.feature].to(active.value.dtype))
        return active.positive()

    def decode(
        self, features: Float[Tensor, "... feature"], x: Float[Tensor, "... d_model"] | None = None
    ) -> Float[Tensor, "... d_model"]:
        """Activations reconstructed from features; see the abstract class for what `x` is for."""
        reconstructed = features @ self.W_D
        if self.config.use_decoder_bias:
            reconstructed = reconstructed + self.b_D
        if self.config.norm_activation == "dataset-wise":
            reconstructed = reconstructed / self._dataset_factor(self.dataset_norm_out)
        elif x is not None and self.config.denormalize_output:
            reconstructed = denormalized(reconstructed, x, self.config.norm_activation)
        if x is not None and self.config.skip_connection:
            reconstructed = reconstructed + x.to(self.W_skip.dtype) @ self.W_skip
        return reconstructed

    def _normalized(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... d_model"]:
        """Raw activations as the encoder takes them."""
        if self.config.norm_activation == "dataset-wise":
            return x * self._dataset_factor(self.dataset_norm_in)
        return normalized(x, self.config.norm_activation)

    def _hidden(self, x: Float[Tensor, "... d_model"]) -> Float[Tensor, "... feature"]:
        """What the encoder gives before the activation function."""
        x = self._normalized(x.to(self.W_E.dtype))
        hidden = torch.addmm(self.b_E, x.reshape(-1, self.d_model), self.W_E)
        if self.config.use_glu_encoder:
            hidden = hidden * torch.sigmoid(x.reshape(-1, self.d_model) @ self.W_E_glu + self.b_E_glu)
        return hidden.view(*x.shape[:-1], self.d_sae)

    def _encoder_blocks(self, amp_dtype: torch.dtype) -> EncoderBlocks:
        """The encoder in a precision, kept for the next call."""
        dtype = self.W_E.dtype if amp_dtype == torch.float32 else amp_dtype
        if self._blocks is None or not self._blocks.is_in(dtype, self.W_E.device):
            glu = Linear(self.W_E_glu, self.b_E_glu) if self.config.use_glu_encoder else None
            self._blocks = EncoderBlocks(Linear(self.W_E, self.b_E), glu, dtype)
        return self._blocks

    def _active(self, blocks: Iterable[FeatureBlock]) -> ActiveFeatures:
        """What `_activate` leaves above 0."""
        if self.config.act_fn == "topk":
            return largest_of_blocks(blocks, self.config.top_k)
        return above_in_blocks(blocks, self.threshold if self.config.act_fn == "jumprelu" else None)

    def _activate(self, hidden: Float[Tensor, "... feature"]) -> Float[Tensor, "... feature"]:
        match self.config.act_fn:
            case "relu":
                return torch.relu(hidden)
            case "jumprelu":
                return jumprelu(hidden, self.threshold)
            case "topk":
                return topk(hidden, self.config.top_k)
            case "batchtopk":
                return batchtopk(hidden, self.config.top_k)

    def _decoder_norm(self) -> Float[Tensor, "feature"]:
        """Norms of the decoder rows, kept once computed outside of training."""
        if torch.is_grad_enabled() and self.W_D.requires_grad:
            return self.W_D.norm(dim=1)
        if self._gate is None:
            self._gate = self.W_D.detach().norm(dim=1)
        return self._gate

    def _dataset_factor(self, norm: float) -> float:
        return dataset_factor(norm, self.d_model)
